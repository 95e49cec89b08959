#include "server/torch/load/value_check.h"

#include <ATen/core/jit_type.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "server/base/status.h"

namespace torchferry::libtorch {
namespace {

absl::Status Leaves(const at::Tensor& tensor, uint64_t bytes) {
  return base::MakeStatus(absl::StatusCode::kDataLoss,
                          "a tensor of sizes [{}] and strides [{}] from element {} leaves its storage of {} bytes",
                          fmt::join(tensor.sizes(), ", "), fmt::join(tensor.strides(), ", "), tensor.storage_offset(),
                          bytes);
}

int64_t ElementsInByte(at::ScalarType type) { return type == at::kQUInt4x2 ? 2 : type == at::kQUInt2x4 ? 4 : 1; }

// One past the last byte that it reaches; nothing when that is beyond int64 or a number is negative.
std::optional<uint64_t> EndByte(const at::Tensor& tensor) {
  int64_t end = tensor.storage_offset();
  int64_t elements = 1;
  bool overflows = end < 0;
  for (int64_t i = 0; i < tensor.dim(); ++i) {
    const int64_t size = tensor.sizes()[i];
    overflows |= size < 0 || tensor.strides()[i] < 0 || __builtin_mul_overflow(elements, size, &elements);
  }
  if (overflows) return std::nullopt;
  for (int64_t i = 0; elements > 0 && i < tensor.dim(); ++i) {
    int64_t reach = 0;
    overflows |= __builtin_mul_overflow(tensor.sizes()[i] - 1, tensor.strides()[i], &reach);
    overflows |= __builtin_add_overflow(end, reach, &end);
  }
  overflows |= __builtin_add_overflow(end, elements > 0 ? 1 : 0, &end);
  const int64_t packed = ElementsInByte(tensor.scalar_type());
  if (packed > 1 && tensor.dim() > 0) {
    const int64_t last = tensor.sizes().back();
    if (elements > 0) end = std::max(elements / last * ((last + packed - 1) / packed), (end + packed - 1) / packed);
  } else {
    overflows |= __builtin_mul_overflow(end, static_cast<int64_t>(tensor.itemsize()), &end);
  }
  if (overflows) return std::nullopt;
  return static_cast<uint64_t>(end);
}

bool IsContainer(const c10::IValue& value) { return value.isTuple() || value.isList() || value.isGenericDict(); }

bool IsAny(const c10::Type& type) {
  switch (type.kind()) {
    case c10::TypeKind::AnyType:
    case c10::TypeKind::AnyListType:
    case c10::TypeKind::AnyTupleType:
    case c10::TypeKind::AnyClassType:
    case c10::TypeKind::AnyEnumType:
      return true;
    default:
      return false;
  }
}

// Types of what LibTorch reads by place, without a check, and of what holds such.
bool HoldsPlaces(const c10::Type& type) {
  if (IsAny(type)) return true;
  switch (type.kind()) {
    case c10::TypeKind::ClassType:
    case c10::TypeKind::InterfaceType:
    case c10::TypeKind::TupleType:
    case c10::TypeKind::TensorType:
      return true;
    default:
      return std::ranges::any_of(type.containedTypes(),
                                 [](const c10::TypePtr& contained) { return HoldsPlaces(*contained); });
  }
}

// What a container says of itself, which `isinstance` believes.
c10::TypePtr OwnType(const c10::IValue& value) {
  if (value.isTuple()) return value.toTuple()->type();
  if (value.isList()) return c10::ListType::create(value.toList().elementType());
  const auto dict = value.toGenericDict();
  return c10::DictType::create(dict.keyType(), dict.valueType());
}

}  // namespace

absl::Status ValueCheck::CheckTensor(const at::Tensor& tensor) {
  if (!tensor.defined()) return absl::OkStatus();
  if (tensor.layout() != at::kStrided || !tensor.has_storage()) {
    return absl::InvalidArgumentError(
        "a tensor is sparse, whose indices LibTorch does not check; save its .to_dense()");
  }
  const at::Storage& storage = tensor.storage();
  const std::optional<uint64_t> end = EndByte(tensor);
  if (!end.has_value() || *end > storage.nbytes()) return Leaves(tensor, storage.nbytes());
  if (*end > 0 && storage.nbytes() > bytes_at_(storage.data())) return Leaves(tensor, bytes_at_(storage.data()));
  if (!tensor.is_quantized() || tensor.qscheme() == at::kPerTensorAffine) return absl::OkStatus();
  const int64_t axis = tensor.q_per_channel_axis();
  const at::Tensor scales = tensor.q_per_channel_scales();
  const at::Tensor zero_points = tensor.q_per_channel_zero_points();
  if (axis < 0 || axis >= tensor.dim() || scales.numel() != tensor.size(axis) ||
      zero_points.numel() != tensor.size(axis)) {
    return base::MakeStatus(absl::StatusCode::kDataLoss,
                            "a tensor of sizes [{}] is quantised along axis {} by {} scales and {} zero points",
                            fmt::join(tensor.sizes(), ", "), axis, scales.numel(), zero_points.numel());
  }
  return absl::OkStatus();
}

absl::Status ValueCheck::Check(const c10::IValue& root) {
  std::vector<c10::IValue> values = {root};
  while (!values.empty()) {
    const c10::IValue value = std::move(values.back());
    values.pop_back();
    if (value.isTensor()) {
      FERRY_RETURN_IF_ERROR(CheckTensor(value.toTensor()));
      continue;
    }
    if (!IsContainer(value) || !checked_.insert(value.internalToPointer()).second) continue;
    held_.push_back(value);
    if (value.isTuple()) {
      const auto tuple = value.toTuple();
      const auto type = tuple->type();
      if (type->elements().size() != tuple->size()) {
        return base::MakeStatus(absl::StatusCode::kDataLoss, "a {} has {} values; its type has {}",
                                type->name().has_value() ? type->name()->name() : "tuple", tuple->size(),
                                type->elements().size());
      }
      values.insert(values.end(), tuple->elements().begin(), tuple->elements().end());
    } else if (value.isList()) {
      const auto list = value.toList();
      if (!HoldsPlaces(*list.elementType())) continue;
      for (size_t i = 0; i < list.size(); ++i) values.emplace_back(list.get(i));
    } else if (value.isGenericDict()) {
      for (const auto& entry : value.toGenericDict()) {
        values.push_back(entry.key());
        values.push_back(entry.value());
      }
    }
  }
  return absl::OkStatus();
}

absl::Status ValueCheck::CheckType(const c10::IValue& value, const c10::TypePtr& type, const std::string& where) {
  bool fits = Fits(value, *type);
  while (fits && !below_any_.empty()) {
    const c10::IValue next = std::move(below_any_.back());
    below_any_.pop_back();
    types_.push_back(OwnType(next));
    fits = ContentFits(next, *types_.back());
  }
  below_any_.clear();
  if (fits) return absl::OkStatus();
  return base::MakeStatus(absl::StatusCode::kDataLoss, "{} is a {}; its code says {}", where,
                          value.isTuple() ? "tuple" : value.tagKind(), type->str());
}

// Recurses as deep as types nest.
void ValueCheck::SetTypes(const c10::IValue& value, const c10::TypePtr& type) {
  if (const auto optional = type->cast<c10::OptionalType>()) return SetTypes(value, optional->getElementType());
  if (!IsContainer(value) || !told_.emplace(value.internalToPointer(), type.get()).second) return;
  held_.push_back(value);
  const auto inner = type->containedTypes();
  if (type->kind() == c10::TypeKind::TupleType && value.isTuple()) {
    const auto& elements = value.toTupleRef().elements();
    for (size_t i = 0; i < inner.size() && i < elements.size(); ++i) SetTypes(elements[i], inner[i]);
  } else if (type->kind() == c10::TypeKind::ListType && value.isList()) {
    auto list = value.toList();
    list.unsafeSetElementType(inner[0]);
    if (inner[0]->containedTypes().empty()) return;
    for (size_t i = 0; i < list.size(); ++i) SetTypes(list.get(i), inner[0]);
  } else if (type->kind() == c10::TypeKind::DictType && value.isGenericDict()) {
    auto dict = value.toGenericDict();
    dict.unsafeSetKeyType(inner[0]);
    dict.unsafeSetValueType(inner[1]);
    for (const auto& entry : dict) SetTypes(entry.value(), inner[1]);
  }
}

bool ValueCheck::IsDeclaredAs(const c10::IValue& value, const c10::Type& type) {
  const auto inner = type.containedTypes();
  const auto [at, is_new] = declared_.try_emplace(value.internalToPointer());
  if (is_new) {
    at->second = {value, {inner.begin(), inner.end()}};
    Tell(at->second);
    return true;
  }
  return std::ranges::equal(at->second.inner, inner,
                            [](const c10::TypePtr& a, const c10::TypePtr& b) { return *a == *b; });
}

void ValueCheck::Tell(const Declared& declared) {
  if (declared.value.isList()) {
    declared.value.toList().unsafeSetElementType(declared.inner[0]);
  } else {
    auto dict = declared.value.toGenericDict();
    dict.unsafeSetKeyType(declared.inner[0]);
    dict.unsafeSetValueType(declared.inner[1]);
  }
}

void ValueCheck::TellTypes() const {
  for (const auto& [address, declared] : declared_) Tell(declared);
}

// Recurses as deep as types nest, which limits.h bounds.
bool ValueCheck::Fits(const c10::IValue& value, const c10::Type& type) {
  if (value.isNone()) return true;
  if (IsAny(type)) {
    // Not now: what lies below has no type whose depth is bounded.
    if (IsContainer(value) && own_.insert(value.internalToPointer()).second) {
      held_.push_back(value);
      below_any_.push_back(value);
    }
    return true;
  }
  if (!HoldsPlaces(type)) return !value.isObject() && !value.isTuple();
  if (!IsContainer(value)) return ContentFits(value, type);
  const std::pair<const void*, const c10::Type*> key(value.internalToPointer(), &type);
  if (fitting_.contains(key)) return true;
  if (!ContentFits(value, type)) return false;
  fitting_.insert(key);
  held_.push_back(value);
  return true;
}

bool ValueCheck::ContentFits(const c10::IValue& value, const c10::Type& type) {
  switch (type.kind()) {
    case c10::TypeKind::TensorType:
      return value.isTensor();
    case c10::TypeKind::OptionalType:
    case c10::TypeKind::UnionType:
      return std::ranges::any_of(type.containedTypes(),
                                 [&](const c10::TypePtr& contained) { return Fits(value, *contained); });
    case c10::TypeKind::ClassType:
    case c10::TypeKind::InterfaceType:
      return value.isObject() && value.toObjectRef().type()->isSubtypeOf(type);
    case c10::TypeKind::TupleType: {
      if (!value.isTuple()) return false;
      const auto& elements = value.toTupleRef().elements();
      const auto types = type.containedTypes();
      if (elements.size() != types.size()) return false;
      for (size_t i = 0; i < types.size(); ++i) {
        if (!Fits(elements[i], *types[i])) return false;
      }
      return true;
    }
    case c10::TypeKind::ListType: {
      if (!value.isList()) return false;
      const auto list = value.toList();
      const c10::TypePtr& element = type.containedTypes()[0];
      for (size_t i = 0; i < list.size(); ++i) {
        if (!Fits(list.get(i), *element)) return false;
      }
      return IsDeclaredAs(value, type);
    }
    case c10::TypeKind::DictType: {
      if (!value.isGenericDict()) return false;
      const auto types = type.containedTypes();
      for (const auto& entry : value.toGenericDict()) {
        if (!Fits(entry.key(), *types[0]) || !Fits(entry.value(), *types[1])) return false;
      }
      return IsDeclaredAs(value, type);
    }
    default:
      return true;
  }
}

}  // namespace torchferry::libtorch
