#include "client/bench/bench_inputs.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <set>
#include <utility>

#include "client/tensor/array.h"
#include "client/tensor/input_argument.h"
#include "server/base/status.h"

namespace torchferry::client {
namespace {

using Shapes = std::map<std::string, tensor::Shape>;

absl::StatusOr<Shapes> ParseShapes(const std::vector<std::string>& texts) {
  Shapes shapes;
  for (const std::string& text : texts) {
    const auto error = base::MakeStatus(absl::StatusCode::kInvalidArgument,
                                        "--shape \"{}\" is not NAME:SIZES, such as image:3,224,224", text);
    const size_t colon = text.rfind(':');
    if (colon == std::string::npos || colon == 0) return error;
    tensor::Shape shape;
    const char* at = text.data() + colon;
    const char* const end = text.data() + text.size();
    while (at != end) {  // at a colon or a comma
      const auto [next, failure] = std::from_chars(at + 1, end, shape.emplace_back());
      if (failure != std::errc() || shape.back() < 1 || (next != end && *next != ',')) return error;
      at = next;
    }
    const std::string name = text.substr(0, colon);
    if (!shapes.emplace(name, std::move(shape)).second) {
      return base::MakeStatus(absl::StatusCode::kInvalidArgument, "--shape names input {} twice", name);
    }
  }
  return shapes;
}

bool IsScalar(const v1::TensorSpec& spec) {
  return spec.kind() == "int" || spec.kind() == "float" || spec.kind() == "bool";
}

const v1::TensorSpec* FindInput(const v1::ModelVersion& model, std::string_view name) {
  const auto at = std::ranges::find(model.inputs(), name, &v1::TensorSpec::name);
  return at == model.inputs().end() ? nullptr : &*at;
}

// The whole shape of a made-up input, its batch dimension too.
absl::StatusOr<tensor::Shape> SizesOf(const v1::TensorSpec& spec, const Shapes& shapes, int64_t rows,
                                      const v1::ModelVersion& model) {
  const bool has_rows = model.max_batch_size() > 0 && !IsScalar(spec);
  tensor::Shape declared(spec.shape().begin(), spec.shape().end());
  if (has_rows && !declared.empty()) declared.erase(declared.begin());
  tensor::Shape sizes;
  if (const auto wanted = shapes.find(spec.name()); wanted != shapes.end()) {
    sizes = wanted->second;
    if (spec.has_shape() && !tensor::Matches(declared, sizes)) {
      return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                              "--shape of input {} is {}, but the model declares {}{}", spec.name(),
                              tensor::ToString(sizes), tensor::ToString(declared),
                              has_rows ? " for each row (the batch dimension is --rows)" : "");
    }
  } else if (IsScalar(spec)) {
    return sizes;
  } else if (!spec.has_shape()) {
    return base::MakeStatus(
        absl::StatusCode::kInvalidArgument,
        "the model declares no shape for input {}: say its sizes{}, such as --shape {}:3,224,224, or "
        "give its value",
        spec.name(), has_rows ? " without the batch dimension" : "", spec.name());
  } else if (std::ranges::find(declared, tensor::kAnyDim) != declared.end()) {
    tensor::Shape example = declared;
    std::ranges::replace(example, tensor::kAnyDim, int64_t{8});
    return base::MakeStatus(
        absl::StatusCode::kInvalidArgument,
        "input {} has free sizes (-1) in its declared shape {}: say them, such as --shape {}:{}, or give "
        "its value",
        spec.name(), tensor::ToString(tensor::Shape(spec.shape().begin(), spec.shape().end())), spec.name(),
        fmt::join(example, ","));
  } else {
    sizes = declared;
  }
  if (has_rows) sizes.insert(sizes.begin(), rows);
  return sizes;
}

std::string RandomText(const std::string& name, const tensor::Shape& sizes) {
  return fmt::format("{}=random[{}]", name, fmt::join(sizes, ","));
}

// Of a tensor list xs the elements are xs__0 and so on.
bool IsGiven(const v1::TensorSpec& spec, const std::set<std::string>& names) {
  if (spec.kind() != "tensor list") return names.contains(spec.name());
  return std::ranges::any_of(names, [&](const std::string& name) { return name.starts_with(spec.name() + "__"); });
}

absl::Status CheckShapeNames(const Shapes& shapes, const v1::ModelVersion& model) {
  for (const auto& [name, shape] : shapes) {
    if (FindInput(model, name) != nullptr) continue;
    std::vector<std::string> names;
    for (const v1::TensorSpec& input : model.inputs()) names.push_back(input.name());
    return base::MakeStatus(absl::StatusCode::kInvalidArgument, "--shape names input {}, but {} takes {}", name,
                            model.model_name(), fmt::join(names, ", "));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<BenchInputs> CompleteInputs(const std::vector<std::string>& given,
                                           const std::vector<std::string>& shape_texts, int64_t rows,
                                           const v1::ModelVersion& model) {
  FERRY_ASSIGN_OR_RETURN(const Shapes shapes, ParseShapes(shape_texts));
  FERRY_RETURN_IF_ERROR(CheckShapeNames(shapes, model));
  BenchInputs result;
  std::set<std::string> names;
  for (const std::string& text : given) {
    FERRY_ASSIGN_OR_RETURN(const InputArgument argument, ParseInputArgument(text, model));
    names.insert(argument.name);
    const v1::TensorSpec* spec = FindInput(model, argument.name);
    if (argument.value != "random" || spec == nullptr) {
      if (shapes.contains(argument.name)) {
        return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                                "--shape is for made-up inputs, but input {} is given: {}", argument.name, text);
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
    FERRY_ASSIGN_OR_RETURN(const tensor::Shape sizes, SizesOf(spec, shapes, rows, model));
    result.inputs.push_back(RandomText(spec.name(), sizes));
    result.made_up.push_back(spec.name());
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
          "are made up",
          first->first, tensor::ToString(first->second.shape), name, tensor::ToString(array.shape));
    }
  }
  return first == nullptr ? 1 : first->second.shape[0];
}

}  // namespace torchferry::client
