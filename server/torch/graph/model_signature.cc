#include "server/torch/graph/model_signature.h"

#include <ATen/core/jit_type.h>

#include <algorithm>
#include <cctype>
#include <set>

#include "server/base/status.h"

namespace torchferry::libtorch {
namespace {

template <typename... Args>
absl::Status Precondition(fmt::format_string<Args...> format, Args&&... args) {
  return base::MakeStatus(absl::StatusCode::kFailedPrecondition, format, std::forward<Args>(args)...);
}

absl::StatusOr<tensor::ArgumentKind> KindOf(const c10::Argument& argument) {
  const c10::TypePtr& type = argument.type();
  switch (type->kind()) {
    case c10::TypeKind::TensorType:
      return tensor::ArgumentKind::kTensor;
    case c10::TypeKind::IntType:
      return tensor::ArgumentKind::kInt;
    case c10::TypeKind::FloatType:
      return tensor::ArgumentKind::kFloat;
    case c10::TypeKind::BoolType:
      return tensor::ArgumentKind::kBool;
    case c10::TypeKind::OptionalType:
      if (type->castRaw<c10::OptionalType>()->getElementType()->kind() == c10::TypeKind::TensorType) {
        return tensor::ArgumentKind::kOptionalTensor;
      }
      break;
    case c10::TypeKind::ListType:
      if (type->castRaw<c10::ListType>()->getElementType()->kind() == c10::TypeKind::TensorType) {
        return tensor::ArgumentKind::kTensorList;
      }
      break;
    default:
      break;
  }
  return Precondition(
      "forward's argument \"{}\" is a {}; it may be a Tensor, Optional[Tensor], List[Tensor], int, float or bool. Wrap "
      "the model in "
      "one whose forward takes these",
      argument.name(), type->annotation_str());
}

bool IsTensorOrNone(const c10::TypePtr& type) {
  if (type->kind() == c10::TypeKind::TensorType || type->kind() == c10::TypeKind::AnyType) return true;
  const auto optional = type->cast<c10::OptionalType>();
  return optional != nullptr && IsTensorOrNone(optional->getElementType());
}

// What is certain before it runs; the rest shows when it does.
absl::Status CheckResult(const c10::FunctionSchema& schema) {
  if (schema.returns().size() != 1) return absl::OkStatus();
  const c10::TypePtr& type = schema.returns()[0].type();
  const auto can_be_sent = [](const c10::TypePtr& given) {
    if (IsTensorOrNone(given)) return true;
    if (const auto dict = given->cast<c10::DictType>()) {
      return dict->getKeyType()->kind() == c10::TypeKind::StringType && IsTensorOrNone(dict->getValueType());
    }
    const bool is_sequence = given->kind() == c10::TypeKind::TupleType || given->kind() == c10::TypeKind::ListType;
    return is_sequence && std::ranges::all_of(given->containedTypes(), IsTensorOrNone);
  };
  if (can_be_sent(type)) return absl::OkStatus();
  return Precondition(
      "forward gives a {}; it may give a tensor, or a tuple, list or Dict[str, Tensor] of tensors. Wrap the model in "
      "one whose "
      "forward does",
      type->annotation_str());
}

// What a scalar argument travels as when the config does not say otherwise.
tensor::DType ScalarDType(tensor::ArgumentKind kind) {
  switch (kind) {
    case tensor::ArgumentKind::kInt:
      return tensor::DType::kInt64;
    case tensor::ArgumentKind::kFloat:
      return tensor::DType::kFp32;
    case tensor::ArgumentKind::kBool:
      return tensor::DType::kBool;
    default:
      return tensor::DType::kInvalid;
  }
}

bool FitsScalar(tensor::ArgumentKind kind, tensor::DType dtype) {
  switch (kind) {
    case tensor::ArgumentKind::kInt:
      return dtype == tensor::DType::kInt64 || dtype == tensor::DType::kInt32;
    case tensor::ArgumentKind::kFloat:
      return dtype == tensor::DType::kFp32 || dtype == tensor::DType::kFp64;
    case tensor::ArgumentKind::kBool:
      return dtype == tensor::DType::kBool;
    default:
      return true;
  }
}

tensor::Shape WithBatch(const tensor::Shape& dims, const config::ModelConfig& config) {
  tensor::Shape shape = dims;
  if (config.max_batch_size > 0) shape.insert(shape.begin(), tensor::kAnyDim);
  return shape;
}

std::string ArgumentNames(const std::vector<c10::Argument>& arguments) {
  std::string names;
  for (const c10::Argument& argument : arguments) names += (names.empty() ? "" : ", ") + argument.name();
  return names.empty() ? "none" : names;
}

// N of "INPUT__N".
std::optional<size_t> TrailingIndex(const std::string& name) {
  const size_t mark = name.rfind("__");
  if (mark == std::string::npos || mark + 2 == name.size() || name.size() > mark + 6) return std::nullopt;
  const std::string digits = name.substr(mark + 2);
  if (!std::all_of(digits.begin(), digits.end(), [](unsigned char c) { return std::isdigit(c) != 0; }))
    return std::nullopt;
  return static_cast<size_t>(std::stoul(digits));
}

// One argument for each declared input, by name where all names are the schema's, by index where all have one, else by
// order.
absl::StatusOr<std::vector<size_t>> MatchInputs(const std::vector<c10::Argument>& arguments,
                                                const config::ModelConfig& config) {
  std::vector<size_t> by_name;
  std::vector<size_t> by_index;
  std::vector<size_t> by_order;
  for (const config::TensorConfig& input : config.inputs) {
    for (size_t i = 0; i < arguments.size(); ++i) {
      if (arguments[i].name() == input.name) by_name.push_back(i);
    }
    if (const auto index = TrailingIndex(input.name)) by_index.push_back(*index);
    by_order.push_back(by_order.size());
  }
  const size_t count = config.inputs.size();
  std::vector<size_t> match = by_name.size() == count ? by_name : by_index.size() == count ? by_index : by_order;
  for (const size_t index : match) {
    if (index >= arguments.size()) {
      return Precondition("config.pbtxt declares {} inputs but forward takes {} ({})", count, arguments.size(),
                          ArgumentNames(arguments));
    }
  }
  std::vector<size_t> sorted = match;
  std::sort(sorted.begin(), sorted.end());
  if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end()) {
    return Precondition("two inputs of config.pbtxt are the same argument of forward ({})", ArgumentNames(arguments));
  }
  return match;
}

// How many tensors forward gives, where its type says so.
std::optional<size_t> ResultCount(const c10::FunctionSchema& schema) {
  if (schema.returns().size() != 1) return std::nullopt;
  const c10::TypePtr& type = schema.returns()[0].type();
  if (const auto tuple = type->cast<c10::TupleType>()) return tuple->elements().size();
  return type->kind() == c10::TypeKind::TensorType ? std::optional<size_t>(1) : std::nullopt;
}

bool GivesDict(const c10::FunctionSchema& schema) {
  return schema.returns().size() == 1 && schema.returns()[0].type()->kind() == c10::TypeKind::DictType;
}

// Which of forward's results each declared output is.
absl::StatusOr<std::vector<size_t>> MatchOutputs(const c10::FunctionSchema& schema, const config::ModelConfig& config) {
  std::vector<size_t> by_order;
  std::vector<size_t> by_index;
  for (const config::TensorConfig& output : config.outputs) {
    by_order.push_back(by_order.size());
    if (const auto index = TrailingIndex(output.name)) by_index.push_back(*index);
  }
  if (GivesDict(schema)) return by_order;
  const std::vector<size_t>& match = by_index.size() == by_order.size() ? by_index : by_order;
  const std::optional<size_t> count = ResultCount(schema);
  std::set<size_t> seen;
  for (size_t i = 0; i < match.size(); ++i) {
    const std::string& name = config.outputs[i].name;
    if (count.has_value() && match[i] >= *count) {
      return Precondition("output \"{}\" of config.pbtxt is result {} of forward, counted from 0; it gives {}", name,
                          match[i], *count);
    }
    if (!seen.insert(match[i]).second) {
      return Precondition("output \"{}\" of config.pbtxt is result {} of forward, as another output is", name,
                          match[i]);
    }
  }
  return match;
}

absl::Status AddInput(const config::TensorConfig* input, size_t argument_index, const config::ModelConfig& config,
                      ModelSignature& result) {
  const c10::Argument& argument = result.arguments[argument_index];
  FERRY_ASSIGN_OR_RETURN(const tensor::ArgumentKind kind, KindOf(argument));
  tensor::TensorSpec spec;
  spec.kind = kind;
  spec.name = input != nullptr ? input->name : argument.name();
  spec.dtype = input != nullptr ? input->dtype : ScalarDType(kind);
  spec.is_optional = argument.default_value().has_value() || kind == tensor::ArgumentKind::kOptionalTensor;
  if (input != nullptr && input->is_optional && !spec.is_optional) {
    return Precondition(
        "config.pbtxt says that input \"{}\" is optional, but forward's argument \"{}\" is a {} without a default; "
        "make it "
        "Optional[Tensor] or give it a default",
        spec.name, argument.name(), Name(kind));
  }
  if (!FitsScalar(kind, spec.dtype)) {
    return Precondition("input \"{}\" is declared as {} but forward's argument \"{}\" is a {}; declare it as {}",
                        spec.name, Name(spec.dtype), argument.name(), Name(kind), Name(ScalarDType(kind)));
  }
  const bool is_tensor = ScalarDType(kind) == tensor::DType::kInvalid;
  if (input != nullptr && is_tensor) spec.shape = WithBatch(input->dims, config);
  InputBinding binding{argument_index, std::nullopt};
  if (input != nullptr && input->reshape.has_value()) binding.model_shape = WithBatch(*input->reshape, config);
  result.signature.inputs.push_back(std::move(spec));
  result.inputs.push_back(std::move(binding));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ModelSignature> MakeSignature(const c10::FunctionSchema& schema, const config::ModelConfig& config) {
  FERRY_RETURN_IF_ERROR(CheckResult(schema));
  ModelSignature result;
  result.arguments.assign(schema.arguments().begin() + 1, schema.arguments().end());
  result.signature.max_batch_size = config.max_batch_size;
  result.signature.splits_oversized = config.split_oversized;
  if (config.inputs.empty()) {
    for (size_t i = 0; i < result.arguments.size(); ++i) FERRY_RETURN_IF_ERROR(AddInput(nullptr, i, config, result));
  } else {
    FERRY_ASSIGN_OR_RETURN(const std::vector<size_t> match, MatchInputs(result.arguments, config));
    for (size_t i = 0; i < match.size(); ++i)
      FERRY_RETURN_IF_ERROR(AddInput(&config.inputs[i], match[i], config, result));
    for (size_t i = 0; i < result.arguments.size(); ++i) {
      const c10::Argument& argument = result.arguments[i];
      if (std::find(match.begin(), match.end(), i) != match.end() || argument.default_value().has_value()) continue;
      FERRY_ASSIGN_OR_RETURN(const tensor::ArgumentKind kind, KindOf(argument));
      if (kind == tensor::ArgumentKind::kOptionalTensor) continue;
      return Precondition("config.pbtxt declares no input for forward's argument \"{}\"; forward takes {}",
                          argument.name(), ArgumentNames(result.arguments));
    }
  }
  FERRY_ASSIGN_OR_RETURN(const std::vector<size_t> results, MatchOutputs(schema, config));
  for (size_t i = 0; i < config.outputs.size(); ++i) {
    const config::TensorConfig& output = config.outputs[i];
    OutputBinding binding{output.name, results[i], output.dtype, WithBatch(output.dims, config), std::nullopt};
    if (output.reshape.has_value()) binding.model_shape = WithBatch(*output.reshape, config);
    result.signature.outputs.push_back(
        {output.name, tensor::ArgumentKind::kTensor, output.dtype, binding.shape, false});
    result.outputs.push_back(std::move(binding));
  }
  return result;
}

}  // namespace torchferry::libtorch
