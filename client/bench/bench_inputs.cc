#include "client/bench/bench_inputs.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <utility>

#include "client/bench/input_sizes.h"
#include "client/tensor/array.h"
#include "client/tensor/input_argument.h"
#include "client/tensor/input_spec.h"
#include "server/base/status.h"

namespace torchferry::client {
namespace {

std::string RandomText(const std::string& name, const tensor::Shape& sizes) {
  return fmt::format("{}=random[{}]", name, fmt::join(sizes, ","));
}

// Of a tensor list xs the elements are xs__0 and so on; of a tensor dict d the entries are d_KEY.
bool IsGiven(const v1::TensorSpec& spec, const std::set<std::string>& names) {
  const bool is_list = spec.kind() == "tensor list";
  if (!is_list && spec.kind() != "tensor dict") return names.contains(spec.name());
  const std::string begin = spec.name() + (is_list ? "__" : "_");
  return std::ranges::any_of(names, [&](const std::string& name) { return name.starts_with(begin); });
}

}  // namespace

absl::StatusOr<BenchInputs> CompleteInputs(const std::vector<std::string>& given,
                                           const std::vector<std::string>& shape_texts, int64_t rows,
                                           const v1::ModelVersion& model) {
  FERRY_ASSIGN_OR_RETURN(const InputShapes shapes, ParseShapes(shape_texts, model));
  BenchInputs result;
  std::set<std::string> names;
  for (const std::string& text : given) {
    FERRY_ASSIGN_OR_RETURN(const InputArgument argument, ParseInputArgument(text, model));
    names.insert(argument.name);
    const v1::TensorSpec* spec = FindInput(model, argument.name);
    if (argument.value != "random" || spec == nullptr) {
      if (shapes.contains(argument.name)) {
        return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                                "--shape is for generated inputs, but input {} is given: {}", argument.name, text);
      }
      result.inputs.push_back(text);
      continue;
    }
    FERRY_ASSIGN_OR_RETURN(const tensor::Shape sizes, SizesOf(*spec, shapes, rows, model));
    result.inputs.push_back(RandomText(text.substr(0, text.find('=')), sizes));
  }
  for (const v1::TensorSpec& spec : model.inputs()) {
    if (IsGiven(spec, names) || (spec.optional() && !shapes.contains(spec.name()))) continue;
    if (spec.kind() == "tensor list") {
      return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                              "input {} is a list of tensors: give its elements, such as {}__0=random[1,3]",
                              spec.name(), spec.name());
    }
    if (spec.kind() == "tensor dict") {
      return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                              "input {} is a dict of tensors: give its entries, such as {}_KEY=random[1,3]",
                              spec.name(), spec.name());
    }
    FERRY_ASSIGN_OR_RETURN(const tensor::Shape sizes, SizesOf(spec, shapes, rows, model));
    result.inputs.push_back(RandomText(spec.name(), sizes));
    result.generated.push_back(spec.name());
  }
  return result;
}

absl::StatusOr<int64_t> RowsOf(const NamedArrays& inputs, std::optional<int64_t> wanted,
                               const v1::ModelVersion& model) {
  if (model.max_batch_size() == 0) {
    if (wanted.value_or(1) == 1) return 1;
    return base::MakeStatus(absl::StatusCode::kInvalidArgument, "--rows {}, but model {} has no batch dimension",
                            *wanted, model.model_name());
  }
  const std::pair<std::string, Array>* first = nullptr;
  for (const auto& input : inputs) {
    const auto& [name, array] = input;
    const v1::TensorSpec* spec = FindInput(model, name);
    if (array.shape.empty() || (spec != nullptr && IsScalar(*spec))) continue;
    if (wanted && array.shape[0] != *wanted) {
      return base::MakeStatus(absl::StatusCode::kInvalidArgument, "--rows {}, but input {} is {}", *wanted, name,
                              tensor::ToString(array.shape));
    }
    if (first == nullptr) first = &input;
    if (array.shape[0] != first->second.shape[0]) {
      return base::MakeStatus(
          absl::StatusCode::kInvalidArgument,
          "input {} is {} and input {} is {}: the rows, first, must agree; --rows says those of inputs that "
          "are generated",
          first->first, tensor::ToString(first->second.shape), name, tensor::ToString(array.shape));
    }
  }
  return first == nullptr ? 1 : first->second.shape[0];
}

}  // namespace torchferry::client
