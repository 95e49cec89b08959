#include "server/tensor/signature.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "server/base/list_text.h"
#include "server/base/status.h"
#include "server/base/utf8.h"
#include "server/tensor/request_limits.h"

namespace torchferry::tensor {
namespace {

template <typename... Args>
absl::Status Invalid(fmt::format_string<Args...> format, Args&&... args) {
  return base::MakeStatus(absl::StatusCode::kInvalidArgument, format, std::forward<Args>(args)...);
}

// As clients send it.
std::string Shown(const TensorSpec& spec) {
  return spec.kind == ArgumentKind::kTensorDict ? spec.name + "_KEY" : spec.name;
}

std::string InputNames(const Signature& signature) {
  if (signature.inputs.empty()) return "none";
  return base::ListText(signature.inputs, [](const TensorSpec& spec) { return base::InQuotes(Shown(spec)); });
}

bool IsAnotherInput(const Signature& signature, const TensorSpec& spec, std::string_view name) {
  return std::ranges::any_of(signature.inputs,
                             [&](const TensorSpec& other) { return &other != &spec && other.name == name; });
}

// The index of `name` = "xs__3" in the list "xs", nothing when it is no element of it. "xs_3" is what torch.export
// calls it.
std::optional<size_t> ListIndex(std::string_view list, std::string_view name) {
  if (name == list) return 0;
  if (!name.starts_with(list) || !name.substr(list.size()).starts_with('_')) return std::nullopt;
  std::string_view digits = name.substr(list.size() + 1);
  if (digits.starts_with('_')) digits.remove_prefix(1);
  if (digits.empty()) return std::nullopt;
  const bool is_number = std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; });
  const bool is_padded = digits.size() > 1 && digits[0] == '0';
  if (!is_number || is_padded || digits.size() > 4) return std::nullopt;
  return static_cast<size_t>(std::stoul(std::string(digits)));
}

// KEY of "d_KEY".
std::optional<std::string_view> DictKey(std::string_view dict, std::string_view name) {
  if (name.size() < dict.size() + 2 || !name.starts_with(dict) || name[dict.size()] != '_') return std::nullopt;
  return name.substr(dict.size() + 1);
}

// The length that an element of text begins with.
constexpr size_t kLengthBytes = 4;

uint32_t LengthAt(std::span<const std::byte> bytes) {
  uint32_t length = 0;
  std::memcpy(&length, bytes.data(), kLengthBytes);
  return length;
}

std::string_view ElementAt(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()) + kLengthBytes, LengthAt(bytes)};
}

absl::Status CheckText(std::string_view name, const HostTensor& tensor) {
  const auto count = ElementCount(tensor.shape);
  if (!count.ok()) return base::Annotate(count.status(), fmt::format("input \"{}\"", name));
  if (*count > limits::kMaxTextElements) {
    return Invalid("input \"{}\" has shape {}, {} elements of text; expected at most {}", name, ToString(tensor.shape),
                   *count, limits::kMaxTextElements);
  }
  std::span<const std::byte> left = tensor.bytes;
  for (int64_t i = 0; i < *count; ++i) {
    if (left.size() < kLengthBytes || LengthAt(left) > left.size() - kLengthBytes) {
      return Invalid(
          "input \"{}\" is BYTES of shape {}, but its data ends within element {}; expected each element's length in "
          "four little-endian bytes, then its bytes",
          name, ToString(tensor.shape), i);
    }
    if (!base::IsUtf8(ElementAt(left))) {
      return Invalid("input \"{}\" is BYTES and element {} is no UTF-8; the model takes text there", name, i);
    }
    left = left.subspan(kLengthBytes + LengthAt(left));
  }
  if (left.empty()) return absl::OkStatus();
  return Invalid("input \"{}\" is BYTES of shape {} and has {} bytes of data more than its {} elements", name,
                 ToString(tensor.shape), left.size(), *count);
}

absl::Status CheckSpec(const TensorSpec& spec, std::string_view name, const HostTensor& tensor) {
  FERRY_RETURN_IF_ERROR(CheckTensor(name, tensor));
  if (spec.dtype != DType::kInvalid && spec.dtype != tensor.dtype) {
    return Invalid("input \"{}\" has dtype {}; expected {}", name, Name(tensor.dtype), Name(spec.dtype));
  }
  const bool is_text = spec.kind == ArgumentKind::kString || spec.kind == ArgumentKind::kStringList;
  if (tensor.dtype == DType::kBytes && !is_text) {
    return Invalid("input \"{}\" has dtype BYTES, text; the model takes numbers there: encode it in the client", name);
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
absl::Status CheckRows(const Signature& signature, const TensorSpec& spec, std::string_view name,
                       const HostTensor& tensor, std::optional<int64_t>& rows, std::string& rows_from) {
  const size_t dimension = spec.row_dimension;
  if (tensor.shape.size() <= dimension && dimension > 0) {
    return Invalid("input \"{}\" has shape {}; expected the rows in dimension {}, which it does not have", name,
                   ToString(tensor.shape), dimension);
  }
  if (tensor.shape.empty()) {
    return Invalid("input \"{}\" has shape []; expected a batch dimension first, as the model batches up to {} rows",
                   name, signature.max_batch_size);
  }
  const int64_t own = tensor.shape[dimension];
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

// The tensors of a dict, whose keys are added to `keys`.
std::vector<HostTensor> EntriesOf(const Signature& signature, const TensorSpec& spec,
                                  const std::map<std::string, HostTensor>& inputs, std::set<std::string>& used,
                                  std::vector<std::string>& keys) {
  std::vector<HostTensor> tensors;
  for (const auto& [name, tensor] : inputs) {
    const std::optional<std::string_view> key = DictKey(spec.name, name);
    if (!key.has_value() || IsAnotherInput(signature, spec, name)) continue;
    keys.emplace_back(*key);
    tensors.push_back(tensor);
    used.insert(name);
  }
  return tensors;
}

// The tensors of `inputs` that belong to `spec`, in order; the keys of those of a dict.
absl::StatusOr<std::vector<HostTensor>> TensorsOf(const Signature& signature, const TensorSpec& spec,
                                                  const std::map<std::string, HostTensor>& inputs,
                                                  std::set<std::string>& used, std::vector<std::string>& keys) {
  std::vector<HostTensor> tensors;
  if (spec.kind == ArgumentKind::kTensorDict) return EntriesOf(signature, spec, inputs, used, keys);
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
    if (!index.has_value() || IsAnotherInput(signature, spec, name)) continue;
    if (!by_index.emplace(*index, &tensor).second) {
      return Invalid("input \"{}\" is element {} of the list \"{}\", as another input is; send one of them", name,
                     *index, spec.name);
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

// What is optional as a whole is there as a whole.
absl::Status CheckGroups(const Signature& signature, const BoundInputs& bound) {
  for (size_t i = 0; i < signature.inputs.size(); ++i) {
    const TensorSpec& missing = signature.inputs[i];
    const bool may_be_missing = missing.group == 0 || missing.kind == ArgumentKind::kOptionalTensor;
    if (may_be_missing || !bound.values[i].empty()) continue;
    for (size_t k = 0; k < signature.inputs.size(); ++k) {
      const TensorSpec& other = signature.inputs[k];
      if (other.group != missing.group || bound.values[k].empty()) continue;
      return Invalid("input \"{}\" is missing, and \"{}\" of the same argument is there; send all of it or none",
                     missing.name, other.name);
    }
  }
  return absl::OkStatus();
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
    case ArgumentKind::kString:
      return "string";
    case ArgumentKind::kStringList:
      return "string list";
    case ArgumentKind::kTensorDict:
      return "tensor dict";
  }
  return "tensor";
}

std::vector<std::string_view> TextElements(const HostTensor& tensor) {
  std::vector<std::string_view> elements;
  for (std::span<const std::byte> left = tensor.bytes; !left.empty();) {
    elements.push_back(ElementAt(left));
    left = left.subspan(kLengthBytes + elements.back().size());
  }
  return elements;
}

absl::Status CheckTensor(std::string_view name, const HostTensor& tensor) {
  if (tensor.dtype == DType::kBytes) return CheckText(name, tensor);
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
  SizeCheck sizes;
  for (const TensorSpec& spec : signature.inputs) {
    std::vector<std::string> keys;
    FERRY_ASSIGN_OR_RETURN(std::vector<HostTensor> tensors, TensorsOf(signature, spec, inputs, used, keys));
    if (tensors.empty() && !spec.is_optional) {
      return Invalid("input \"{}\" is missing; the model's inputs are {}", Shown(spec), InputNames(signature));
    }
    for (size_t i = 0; i < tensors.size(); ++i) {
      const std::string name = !keys.empty()        ? fmt::format("{}_{}", spec.name, keys[i])
                               : tensors.size() > 1 ? fmt::format("{}__{}", spec.name, i)
                                                    : spec.name;
      FERRY_RETURN_IF_ERROR(CheckSpec(spec, name, tensors[i]));
      FERRY_RETURN_IF_ERROR(sizes.Add(name, tensors[i].shape, spec.size_limits));
      if (signature.HasBatchDimension() && !IsScalar(spec.kind)) {
        FERRY_RETURN_IF_ERROR(CheckRows(signature, spec, name, tensors[i], rows, rows_from));
      }
    }
    if (!keys.empty()) bound.keys.emplace(bound.values.size(), std::move(keys));
    bound.values.push_back(std::move(tensors));
  }
  FERRY_RETURN_IF_ERROR(CheckGroups(signature, bound));
  for (const auto& [name, tensor] : inputs) {
    if (!used.contains(name)) {
      return Invalid("unknown input \"{}\"; the model's inputs are {}", name, InputNames(signature));
    }
  }
  bound.rows = rows.value_or(1);
  return bound;
}

}  // namespace torchferry::tensor
