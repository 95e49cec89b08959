#include "server/torch/graph/model_signature.h"

#include <ATen/core/jit_type.h>

#include <algorithm>
#include <set>

#include "server/base/status.h"
#include "server/plan/name_index.h"

namespace torchferry::libtorch {
namespace {

template <typename... Args>
absl::Status Precondition(fmt::format_string<Args...> format, Args&&... args) {
  return base::MakeStatus(absl::StatusCode::kFailedPrecondition, format, std::forward<Args>(args)...);
}

bool IsTensorOrNone(const c10::TypePtr& type) {
  if (type->kind() == c10::TypeKind::TensorType || type->kind() == c10::TypeKind::AnyType) return true;
  const auto optional = type->cast<c10::OptionalType>();
  return optional != nullptr && IsTensorOrNone(optional->getElementType());
}

// What is certain before it runs; the rest shows when it does.
absl::Status CheckResult(const c10::FunctionSchema& schema) {
  if (schema.returns().size() != 1) return absl::OkStatus();
  const c10::TypePtr& returned = schema.returns()[0].type();
  const auto optional = returned->cast<c10::OptionalType>();
  const c10::TypePtr& type = optional == nullptr ? returned : optional->getElementType();
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
    case tensor::ArgumentKind::kString:
    case tensor::ArgumentKind::kStringList:
      return tensor::DType::kBytes;
    default:
      return tensor::DType::kInvalid;
  }
}

bool FitsKind(tensor::ArgumentKind kind, tensor::DType dtype) {
  switch (kind) {
    case tensor::ArgumentKind::kInt:
      return dtype == tensor::DType::kInt64 || dtype == tensor::DType::kInt32;
    case tensor::ArgumentKind::kFloat:
      return dtype == tensor::DType::kFp32 || dtype == tensor::DType::kFp64;
    case tensor::ArgumentKind::kBool:
      return dtype == tensor::DType::kBool;
    case tensor::ArgumentKind::kString:
    case tensor::ArgumentKind::kStringList:
      return dtype == tensor::DType::kBytes;
    default:
      return dtype != tensor::DType::kBytes;
  }
}

tensor::Shape WithBatch(const tensor::Shape& dims, const config::ModelConfig& config) {
  tensor::Shape shape = dims;
  if (config.max_batch_size > 0) shape.insert(shape.begin(), tensor::kAnyDim);
  return shape;
}

// A part of forward's arguments that becomes an input.
struct Leaf {
  size_t argument = 0;
  ArgumentNode* node = nullptr;
  int group = 0;
};

std::string Names(const std::vector<Leaf>& leaves) {
  std::string names;
  for (const Leaf& leaf : leaves) names += (names.empty() ? "" : ", ") + leaf.node->name;
  return names.empty() ? "none" : names;
}

// One leaf for each declared input, by name where all names are theirs, by index where all have one, else by order.
absl::StatusOr<std::vector<size_t>> MatchInputs(const std::vector<Leaf>& leaves, const config::ModelConfig& config) {
  std::vector<size_t> by_name;
  std::vector<size_t> by_index;
  std::vector<size_t> by_order;
  for (const config::TensorConfig& input : config.inputs) {
    for (size_t i = 0; i < leaves.size(); ++i) {
      if (leaves[i].node->name == input.name) by_name.push_back(i);
    }
    if (const auto index = plan::TrailingIndex(input.name)) by_index.push_back(*index);
    by_order.push_back(by_order.size());
  }
  const size_t count = config.inputs.size();
  std::vector<size_t> match = by_name.size() == count ? by_name : by_index.size() == count ? by_index : by_order;
  for (const size_t index : match) {
    if (index >= leaves.size()) {
      return Precondition("{} declares {} inputs but forward takes {} ({})", config.signature_source, count,
                          leaves.size(), Names(leaves));
    }
  }
  std::vector<size_t> sorted = match;
  std::sort(sorted.begin(), sorted.end());
  if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end()) {
    return Precondition("two inputs of {} are the same argument of forward ({})", config.signature_source,
                        Names(leaves));
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
absl::StatusOr<std::vector<size_t>> MatchOutputs(const c10::FunctionSchema& schema, const config::ModelConfig& config,
                                                 OutputOrder order) {
  std::vector<size_t> by_order;
  std::vector<size_t> by_index;
  for (const config::TensorConfig& output : config.outputs) {
    by_order.push_back(by_order.size());
    if (const auto index = plan::TrailingIndex(output.name)) by_index.push_back(*index);
  }
  if (GivesDict(schema) || order == OutputOrder::kByPlace) return by_order;
  const std::vector<size_t>& match = by_index.size() == by_order.size() ? by_index : by_order;
  const std::optional<size_t> count = ResultCount(schema);
  std::set<size_t> seen;
  for (size_t i = 0; i < match.size(); ++i) {
    const std::string& name = config.outputs[i].name;
    if (count.has_value() && match[i] >= *count) {
      return Precondition("output \"{}\" of {} is result {} of forward, counted from 0; it gives {}", name,
                          config.signature_source, match[i], *count);
    }
    if (!seen.insert(match[i]).second) {
      return Precondition("output \"{}\" of {} is result {} of forward, as another output is", name,
                          config.signature_source, match[i]);
    }
  }
  return match;
}

absl::Status AddInput(const config::TensorConfig* input, const Leaf& leaf, const config::ModelConfig& config,
                      ModelSignature& result) {
  const c10::Argument& argument = result.arguments[leaf.argument];
  const tensor::ArgumentKind kind = leaf.node->input_kind;
  tensor::TensorSpec spec;
  spec.kind = kind;
  spec.name = input != nullptr ? input->name : leaf.node->name;
  spec.dtype = input != nullptr ? input->dtype : ScalarDType(kind);
  spec.is_optional = leaf.node->may_be_left_out || leaf.group > 0;
  const bool is_needed_in_group = !leaf.node->may_be_left_out || kind == tensor::ArgumentKind::kOptionalTensor;
  spec.group = is_needed_in_group ? leaf.group : 0;
  if (input != nullptr && input->is_optional && !spec.is_optional) {
    return Precondition(
        "config.pbtxt says that input \"{}\" is optional, but forward's argument \"{}\" is a {} without a default. "
        "Make it Optional[{}] or give it a default",
        spec.name, argument.name(), Name(kind), argument.type()->annotation_str());
  }
  if (!FitsKind(kind, spec.dtype)) {
    const tensor::DType expected = ScalarDType(kind);
    return Precondition("input \"{}\" is declared as {} but forward's argument \"{}\" is a {}; declare it as {}",
                        spec.name, Name(spec.dtype), argument.name(), Name(kind),
                        expected == tensor::DType::kInvalid ? "a number, such as TYPE_FP32" : Name(expected));
  }
  const bool is_tensor = !tensor::IsScalar(kind);
  if (input != nullptr && is_tensor) spec.shape = WithBatch(input->dims, config);
  if (input != nullptr) spec.size_limits = input->size_limits;
  InputBinding binding{leaf.argument, std::nullopt};
  if (input != nullptr && input->reshape.has_value()) binding.model_shape = WithBatch(*input->reshape, config);
  leaf.node->input = result.signature.inputs.size();
  result.signature.inputs.push_back(std::move(spec));
  result.inputs.push_back(std::move(binding));
  return absl::OkStatus();
}

// As torch.export: a name that is taken gets a number.
void MakeNamesDiffer(std::vector<Leaf>& leaves) {
  std::set<std::string> taken;
  for (Leaf& leaf : leaves) {
    const std::string base = leaf.node->name;
    for (int i = 1; !taken.insert(leaf.node->name).second; ++i) leaf.node->name = fmt::format("{}_{}", base, i);
  }
}

std::vector<Leaf> Leaves(std::vector<ArgumentNode>& trees) {
  std::vector<Leaf> leaves;
  int groups = 0;
  for (size_t i = 0; i < trees.size(); ++i) {
    ForEachInput(
        trees[i],
        [&](ArgumentNode& node, int group) {
          leaves.push_back({i, &node, group});
        },
        groups);
  }
  MakeNamesDiffer(leaves);
  return leaves;
}

absl::Status MakeTrees(const config::ModelConfig& config, const torch::jit::Graph* graph, ModelSignature& result) {
  DeclaredNames declared;
  for (const config::TensorConfig& input : config.inputs) declared.emplace(input.name, input.is_optional);
  const bool is_one_dict = result.arguments.size() == 1 && IsDict(result.arguments[0]);
  const bool keys_are_names =
      is_one_dict && !declared.empty() && std::ranges::none_of(declared, [&](const auto& input) {
        return input.first.starts_with(ExportName(result.arguments[0].name()) + "_");
      });
  for (size_t i = 0; i < result.arguments.size(); ++i) {
    const c10::Argument& argument = result.arguments[i];
    std::vector<torch::jit::Value*> values;
    if (graph != nullptr) values.push_back(const_cast<torch::jit::Value*>(graph->inputs().at(i + 1)));
    FERRY_ASSIGN_OR_RETURN(result.trees.emplace_back(), MakeArgumentTree(argument, declared, values, keys_are_names));
    if (result.trees.back().kind != ArgumentNode::Kind::kDefault) continue;
    const auto value = argument.default_value();
    result.decisions.push_back(fmt::format("argument \"{}\", a {}, cannot be sent: it is {}", argument.name(),
                                           argument.type()->annotation_str(),
                                           value.has_value() && !value->isNone() ? "its default" : "None"));
  }
  return absl::OkStatus();
}

}  // namespace

bool HasDicts(const c10::FunctionSchema& schema) {
  const auto holds_dict = [](const auto& self, const c10::TypePtr& type) -> bool {
    return type->kind() == c10::TypeKind::DictType ||
           std::ranges::any_of(type->containedTypes(), [&](const c10::TypePtr& inner) { return self(self, inner); });
  };
  const auto& arguments = schema.arguments();
  return std::any_of(arguments.begin() + 1, arguments.end(),
                     [&](const c10::Argument& argument) { return holds_dict(holds_dict, argument.type()); });
}

absl::StatusOr<ModelSignature> MakeSignature(const c10::FunctionSchema& schema, const config::ModelConfig& config,
                                             const torch::jit::Graph* graph, OutputOrder order) {
  FERRY_RETURN_IF_ERROR(CheckResult(schema));
  ModelSignature result;
  result.arguments.assign(schema.arguments().begin() + 1, schema.arguments().end());
  result.signature.max_batch_size = config.max_batch_size;
  result.signature.splits_oversized = config.split_oversized;
  FERRY_RETURN_IF_ERROR(MakeTrees(config, graph, result));
  const std::vector<Leaf> leaves = Leaves(result.trees);
  if (config.inputs.empty()) {
    for (const Leaf& leaf : leaves) FERRY_RETURN_IF_ERROR(AddInput(nullptr, leaf, config, result));
  } else {
    FERRY_ASSIGN_OR_RETURN(const std::vector<size_t> match, MatchInputs(leaves, config));
    for (size_t i = 0; i < match.size(); ++i)
      FERRY_RETURN_IF_ERROR(AddInput(&config.inputs[i], leaves[match[i]], config, result));
    for (const Leaf& leaf : leaves) {
      const bool is_declared = leaf.node->input != ArgumentNode::kNoInput;
      if (is_declared || leaf.node->may_be_left_out) continue;
      const bool is_group_used = leaf.group > 0 && std::ranges::any_of(leaves, [&](const Leaf& other) {
                                   return other.group == leaf.group && other.node->input != ArgumentNode::kNoInput;
                                 });
      if (leaf.group > 0 && !is_group_used) continue;
      return Precondition("{} declares no input for forward's argument \"{}\"; forward takes {}",
                          config.signature_source, leaf.node->name, Names(leaves));
    }
  }
  FERRY_ASSIGN_OR_RETURN(const std::vector<size_t> results, MatchOutputs(schema, config, order));
  for (size_t i = 0; i < config.outputs.size(); ++i) {
    const config::TensorConfig& output = config.outputs[i];
    OutputBinding binding{.name = output.name,
                          .result = results[i],
                          .dtype = output.dtype,
                          .shape = WithBatch(output.dims, config),
                          .model_shape = std::nullopt,
                          .source = config.signature_source};
    if (output.reshape.has_value()) binding.model_shape = WithBatch(*output.reshape, config);
    result.signature.outputs.push_back(
        {output.name, tensor::ArgumentKind::kTensor, output.dtype, binding.shape, false});
    result.outputs.push_back(std::move(binding));
  }
  return result;
}

}  // namespace torchferry::libtorch
