#include "client/bench/input_sizes.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "client/tensor/input_spec.h"
#include "server/base/status.h"

namespace torchferry::client {
namespace {

absl::StatusOr<std::pair<std::string, tensor::Shape>> ParseShape(const std::string& text) {
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
  return std::pair(text.substr(0, colon), std::move(shape));
}

bool HasRows(const v1::TensorSpec& spec, const v1::ModelVersion& model) {
  return model.max_batch_size() > 0 && !IsScalar(spec);
}

// Without the batch dimension.
tensor::Shape DeclaredSizes(const v1::TensorSpec& spec, bool has_rows) {
  tensor::Shape declared(spec.shape().begin(), spec.shape().end());
  if (has_rows && !declared.empty()) declared.erase(declared.begin());
  return declared;
}

// INVALID_ARGUMENT where the declaration does not say all of them.
absl::Status CheckDeclared(const v1::TensorSpec& spec, const tensor::Shape& declared, bool has_rows) {
  if (!spec.has_shape()) {
    return base::MakeStatus(
        absl::StatusCode::kInvalidArgument,
        "the model declares no shape for input {}: say its sizes{}, such as --shape {}:3,224,224, or "
        "give its value",
        spec.name(), has_rows ? " without the batch dimension" : "", spec.name());
  }
  if (std::ranges::find(declared, tensor::kAnyDim) == declared.end()) return absl::OkStatus();
  tensor::Shape example = declared;
  std::ranges::replace(example, tensor::kAnyDim, int64_t{8});
  return base::MakeStatus(
      absl::StatusCode::kInvalidArgument,
      "input {} has free sizes (-1) in its declared shape {}: say them, such as --shape {}:{}, or give "
      "its value",
      spec.name(), tensor::ToString(tensor::Shape(spec.shape().begin(), spec.shape().end())), spec.name(),
      fmt::join(example, ","));
}

absl::Status CheckWanted(const v1::TensorSpec& spec, const tensor::Shape& wanted, const tensor::Shape& declared,
                         bool has_rows) {
  if (!spec.has_shape() || tensor::Matches(declared, wanted)) return absl::OkStatus();
  return base::MakeStatus(absl::StatusCode::kInvalidArgument, "--shape of input {} is {}, but the model declares {}{}",
                          spec.name(), tensor::ToString(wanted), tensor::ToString(declared),
                          has_rows ? " for each row (the batch dimension is --rows)" : "");
}

}  // namespace

absl::StatusOr<InputShapes> ParseShapes(const std::vector<std::string>& texts, const v1::ModelVersion& model) {
  InputShapes shapes;
  for (const std::string& text : texts) {
    FERRY_ASSIGN_OR_RETURN(auto named, ParseShape(text));
    const std::string name = named.first;
    if (!shapes.insert(std::move(named)).second) {
      return base::MakeStatus(absl::StatusCode::kInvalidArgument, "--shape names input {} twice", name);
    }
  }
  for (const auto& [name, shape] : shapes) {
    if (FindInput(model, name) != nullptr) continue;
    return base::MakeStatus(absl::StatusCode::kInvalidArgument, "--shape names input {}, but {} takes {}", name,
                            model.model_name(), InputNames(model));
  }
  return shapes;
}

absl::StatusOr<tensor::Shape> SizesOf(const v1::TensorSpec& spec, const InputShapes& shapes, int64_t rows,
                                      const v1::ModelVersion& model) {
  const bool has_rows = HasRows(spec, model);
  const tensor::Shape declared = DeclaredSizes(spec, has_rows);
  tensor::Shape sizes;
  if (const auto wanted = shapes.find(spec.name()); wanted != shapes.end()) {
    FERRY_RETURN_IF_ERROR(CheckWanted(spec, wanted->second, declared, has_rows));
    sizes = wanted->second;
  } else if (!IsScalar(spec)) {
    FERRY_RETURN_IF_ERROR(CheckDeclared(spec, declared, has_rows));
    sizes = declared;
  }
  if (has_rows) sizes.insert(sizes.begin(), rows);
  return sizes;
}

}  // namespace torchferry::client
