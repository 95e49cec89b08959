#include "server/tensor/signature.h"

#include <algorithm>
#include <set>

#include "server/base/list_text.h"
#include "server/base/status.h"

namespace torchferry::tensor {
namespace {

template <typename... Args>
absl::Status Invalid(fmt::format_string<Args...> format, Args&&... args) {
  return base::MakeStatus(absl::StatusCode::kInvalidArgument, format, std::forward<Args>(args)...);
}

std::string InputNames(const Signature& signature) {
  if (signature.inputs.empty()) return "none";
  return base::ListText(signature.inputs, [](const TensorSpec& spec) { return base::InQuotes(spec.name); });
}

// The index of `name` = "xs__3" in the list "xs", nothing when it is no element of it.
std::optional<size_t> ListIndex(std::string_view list, std::string_view name) {
  if (name == list) return 0;
  if (name.size() < list.size() + 3 || name.substr(0, list.size()) != list || name.substr(list.size(), 2) != "__") {
    return std::nullopt;
  }
  const std::string_view digits = name.substr(list.size() + 2);
  const bool is_number = std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; });
  const bool is_padded = digits.size() > 1 && digits[0] == '0';
  if (!is_number || is_padded || digits.size() > 4) return std::nullopt;
  return static_cast<size_t>(std::stoul(std::string(digits)));
}

bool IsScalar(ArgumentKind kind) {
  return kind == ArgumentKind::kInt || kind == ArgumentKind::kFloat || kind == ArgumentKind::kBool;
}

absl::Status CheckSpec(const TensorSpec& spec, std::string_view name, const HostTensor& tensor) {
  FERRY_RETURN_IF_ERROR(CheckTensor(name, tensor));
  if (spec.dtype != DType::kInvalid && spec.dtype != tensor.dtype) {
    return Invalid("input \"{}\" has dtype {}; expected {}", name, Name(tensor.dtype), Name(spec.dtype));
  }
  if (IsScalar(spec.kind)) {
    if (tensor.shape.empty() || tensor.shape == Shape{1}) return absl::OkStatus();
    return Invalid("input \"{}\" has shape {}; it is the model's {} argument, expected [] or [1]", name,
                   ToString(tensor.shape), Name(spec.kind));
  }
  if (!spec.shape.has_value() || Matches(*spec.shape, tensor.shape)) return absl::OkStatus();
  if (spec.shape->size() != tensor.shape.size()) {
    return Invalid("input \"{}\" has shape {} of rank {}; expected rank {}: {}", name, ToString(tensor.shape),
                   tensor.shape.size(), spec.shape->size(), ToString(*spec.shape));
  }
  size_t i = 0;
  while ((*spec.shape)[i] == kAnyDim || (*spec.shape)[i] == tensor.shape[i]) ++i;
  return Invalid("input \"{}\" has shape {}: dimension {} is {}, expected {} (declared {})", name,
                 ToString(tensor.shape), i, tensor.shape[i], (*spec.shape)[i], ToString(*spec.shape));
}

// Sets `rows` from the first tensor with a batch dimension and holds the others to it.
absl::Status CheckRows(const Signature& signature, std::string_view name, const HostTensor& tensor,
                       std::optional<int64_t>& rows, std::string& rows_from) {
  if (tensor.shape.empty()) {
    return Invalid("input \"{}\" has shape []; expected a batch dimension first, as the model batches up to {} rows",
                   name, signature.max_batch_size);
  }
  const int64_t own = tensor.shape[0];
  if (own < 1 || (own > signature.max_batch_size && !signature.splits_oversized)) {
    return Invalid("input \"{}\" has {} rows (shape {}); expected 1 to {}{}", name, own, ToString(tensor.shape),
                   signature.max_batch_size,
                   own < 1 ? "" : ", or torchferry { split_oversized: true } in the model's config.pbtxt");
  }
  if (rows.has_value() && *rows != own) {
    return Invalid("inputs disagree on the rows: \"{}\" has {}, \"{}\" has {}", rows_from, *rows, name, own);
  }
  rows = own;
  rows_from = name;
  return absl::OkStatus();
}

// The tensors of `inputs` that belong to `spec`, in order.
absl::StatusOr<std::vector<HostTensor>> TensorsOf(const TensorSpec& spec,
                                                  const std::map<std::string, HostTensor>& inputs,
                                                  std::set<std::string>& used) {
  std::vector<HostTensor> tensors;
  if (spec.kind != ArgumentKind::kTensorList) {
    const auto it = inputs.find(spec.name);
    if (it == inputs.end()) return tensors;
    used.insert(it->first);
    tensors.push_back(it->second);
    return tensors;
  }
  std::map<size_t, const HostTensor*> by_index;
  for (const auto& [name, tensor] : inputs) {
    const std::optional<size_t> index = ListIndex(spec.name, name);
    if (!index.has_value()) continue;
    if (!by_index.emplace(*index, &tensor).second) {
      return Invalid("inputs \"{}\" and \"{}__0\" are the same element of a list; send one of them", spec.name,
                     spec.name);
    }
    used.insert(name);
  }
  for (const auto& [index, tensor] : by_index) {
    if (index != tensors.size()) {
      return Invalid("input \"{}__{}\" is there but \"{}__{}\" is missing; a list's elements are numbered from 0",
                     spec.name, index, spec.name, tensors.size());
    }
    tensors.push_back(*tensor);
  }
  return tensors;
}

}  // namespace

std::string_view Name(ArgumentKind kind) {
  switch (kind) {
    case ArgumentKind::kTensor:
      return "tensor";
    case ArgumentKind::kOptionalTensor:
      return "optional tensor";
    case ArgumentKind::kTensorList:
      return "tensor list";
    case ArgumentKind::kInt:
      return "int";
    case ArgumentKind::kFloat:
      return "float";
    case ArgumentKind::kBool:
      return "bool";
  }
  return "tensor";
}

absl::Status CheckTensor(std::string_view name, const HostTensor& tensor) {
  const auto bytes = ByteCount(tensor.dtype, tensor.shape);
  if (!bytes.ok()) return base::Annotate(bytes.status(), fmt::format("input \"{}\"", name));
  if (static_cast<uint64_t>(*bytes) != tensor.bytes.size()) {
    return Invalid("input \"{}\" has {} bytes of data; expected {} for {} of shape {}", name, tensor.bytes.size(),
                   *bytes, Name(tensor.dtype), ToString(tensor.shape));
  }
  return absl::OkStatus();
}

absl::StatusOr<BoundInputs> BindInputs(const Signature& signature, const std::map<std::string, HostTensor>& inputs) {
  BoundInputs bound;
  std::set<std::string> used;
  std::optional<int64_t> rows;
  std::string rows_from;
  for (const TensorSpec& spec : signature.inputs) {
    FERRY_ASSIGN_OR_RETURN(std::vector<HostTensor> tensors, TensorsOf(spec, inputs, used));
    if (tensors.empty() && !spec.is_optional) {
      return Invalid("input \"{}\" is missing; the model's inputs are {}", spec.name, InputNames(signature));
    }
    for (size_t i = 0; i < tensors.size(); ++i) {
      const std::string name = tensors.size() > 1 ? fmt::format("{}__{}", spec.name, i) : spec.name;
      FERRY_RETURN_IF_ERROR(CheckSpec(spec, name, tensors[i]));
      if (signature.HasBatchDimension() && !IsScalar(spec.kind)) {
        FERRY_RETURN_IF_ERROR(CheckRows(signature, name, tensors[i], rows, rows_from));
      }
    }
    bound.values.push_back(std::move(tensors));
  }
  for (const auto& [name, tensor] : inputs) {
    if (!used.contains(name)) {
      return Invalid("unknown input \"{}\"; the model's inputs are {}", name, InputNames(signature));
    }
  }
  bound.rows = rows.value_or(1);
  return bound;
}

}  // namespace torchferry::tensor
