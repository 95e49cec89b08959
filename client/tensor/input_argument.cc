#include "client/tensor/input_argument.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "client/tensor/array_proto.h"
#include "client/tensor/input_spec.h"
#include "client/tensor/json_array.h"
#include "client/tensor/npy.h"
#include "client/tensor/random_array.h"
#include "server/base/status.h"

namespace torchferry::client {
namespace {

constexpr std::string_view kRandom = "random";

// The declaration of that name; of a tensor list "xs", "xs__0" and so on are elements, and of a tensor dict
// "d" each "d_KEY".
const v1::TensorSpec* FindSpec(const v1::ModelVersion& model, std::string_view name) {
  for (const v1::TensorSpec& spec : model.inputs()) {
    const bool is_element =
        (spec.kind() == "tensor list" && name.size() > spec.name().size() + 2 &&
         name.starts_with(spec.name() + "__")) ||
        (spec.kind() == "tensor dict" && name.size() > spec.name().size() + 1 && name.starts_with(spec.name() + "_"));
    if (spec.name() == name || is_element) return &spec;
  }
  return nullptr;
}

std::optional<tensor::DType> DeclaredDType(const v1::TensorSpec* spec) {
  if (spec == nullptr) return std::nullopt;
  if (const tensor::DType dtype = FromProto(spec->dtype()); dtype != tensor::DType::kInvalid) return dtype;
  if (spec->kind() == "int") return tensor::DType::kInt64;
  if (spec->kind() == "float") return tensor::DType::kFp32;
  if (spec->kind() == "bool") return tensor::DType::kBool;
  return std::nullopt;
}

std::optional<tensor::Shape> DeclaredShape(const v1::TensorSpec* spec) {
  if (spec == nullptr) return std::nullopt;
  if (spec->has_shape()) return tensor::Shape(spec->shape().begin(), spec->shape().end());
  if (IsScalar(*spec)) return tensor::Shape();
  return std::nullopt;
}

// Whether `shape` is the declared one but for its batch dimension.
bool LacksBatchDimension(const v1::ModelVersion& model, const std::optional<tensor::Shape>& declared,
                         const tensor::Shape& shape) {
  return model.max_batch_size() > 0 && declared && !declared->empty() &&
         tensor::Matches({declared->begin() + 1, declared->end()}, shape);
}

// "random[2,1024]" → [2, 1024]; absent for a bare "random".
absl::StatusOr<std::optional<tensor::Shape>> RandomShape(std::string_view value) {
  std::string_view text = value.substr(kRandom.size());
  if (text.empty()) return std::nullopt;
  const absl::StatusOr<Array> sizes = ParseJsonArray(text, tensor::DType::kInt64);
  if (!sizes.ok() || sizes->shape.size() != 1) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                            "\"{}\" is not random or random[2,3] with the sizes of the dimensions", value);
  }
  tensor::Shape shape;
  for (int64_t i = 0; i < sizes->shape[0]; ++i) {
    shape.push_back(std::get<int64_t>(GetElement(*sizes, i)));
  }
  return shape;
}

absl::StatusOr<tensor::Shape> FillDeclaredShape(const InputArgument& argument, const v1::ModelVersion& model,
                                                const std::optional<tensor::Shape>& declared) {
  if (!declared) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                            "the model declares no shape for it: write the sizes, such as {}=random[1,3]",
                            argument.name);
  }
  tensor::Shape shape = *declared;
  if (model.max_batch_size() > 0 && !shape.empty() && shape[0] == tensor::kAnyDim) shape[0] = 1;
  if (std::find(shape.begin(), shape.end(), tensor::kAnyDim) == shape.end()) return shape;
  for (int64_t& size : shape) {
    if (size == tensor::kAnyDim) size = 8;  // for the example
  }
  return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                          "its declared shape {} has free dimensions (-1): write the sizes, such as "
                          "{}=random[{}]",
                          tensor::ToString(*declared), argument.name, fmt::join(shape, ","));
}

absl::StatusOr<Array> ResolveRandom(const InputArgument& argument, const v1::ModelVersion& model,
                                    std::mt19937_64& random) {
  const v1::TensorSpec* spec = FindSpec(model, argument.name);
  if (spec == nullptr && model.inputs_size() > 0) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument, "no such input; {} takes {}", model.model_name(),
                            InputNames(model));
  }
  FERRY_ASSIGN_OR_RETURN(std::optional<tensor::Shape> shape, RandomShape(argument.value));
  if (!shape) {
    FERRY_ASSIGN_OR_RETURN(shape, FillDeclaredShape(argument, model, DeclaredShape(spec)));
  }
  const tensor::DType dtype = argument.dtype.value_or(DeclaredDType(spec).value_or(tensor::DType::kFp32));
  return RandomArray(dtype, *shape, random);
}

// Casts to `dtype`, and says so; UINT16 for BF16 is its bits.
absl::Status CastTo(tensor::DType dtype, ResolvedInput* input) {
  if (input->array.dtype == dtype) return absl::OkStatus();
  if (input->array.dtype == tensor::DType::kUint16 && dtype == tensor::DType::kBf16) {
    input->array.dtype = tensor::DType::kBf16;
    input->notes.push_back("took uint16 as the bits of BF16");
    return absl::OkStatus();
  }
  const std::string cast = fmt::format("cast {} → {}", NumpyName(input->array.dtype), Name(dtype));
  absl::StatusOr<Array> result = Cast(input->array, dtype);
  if (!result.ok()) return base::Annotate(result.status(), cast);
  input->array = *std::move(result);
  input->notes.push_back(cast);
  return absl::OkStatus();
}

absl::StatusOr<ResolvedInput> ResolveFile(const std::string& path, std::optional<tensor::DType> dtype,
                                          const InputSources& sources) {
  FERRY_ASSIGN_OR_RETURN(const std::string bytes, sources.read_file(path));
  ResolvedInput input;
  if (!LooksLikeNpy(bytes) && path.ends_with(".json")) {
    FERRY_ASSIGN_OR_RETURN(input.array, ParseJsonArray(bytes, dtype));
    return input;
  }
  absl::StatusOr<Array> array = ParseNpy(bytes);
  if (!array.ok()) return base::Annotate(array.status(), path == "-" ? "standard input" : path);
  input.array = *std::move(array);
  if (dtype) FERRY_RETURN_IF_ERROR(CastTo(*dtype, &input));
  return input;
}

absl::StatusOr<ResolvedInput> ResolveValue(const InputArgument& argument, const v1::ModelVersion& model,
                                           const InputSources& sources) {
  if (argument.value.starts_with(kRandom)) {
    FERRY_ASSIGN_OR_RETURN(Array array, ResolveRandom(argument, model, *sources.random));
    return ResolvedInput{std::move(array), {}};
  }
  const std::optional<tensor::DType> dtype =
      argument.dtype ? argument.dtype : DeclaredDType(FindSpec(model, argument.name));
  if (argument.value.starts_with("@")) {
    return ResolveFile(argument.value.substr(1), dtype, sources);
  }
  absl::StatusOr<Array> array = ParseJsonArray(argument.value, dtype);
  if (!array.ok()) {
    return base::Annotate(array.status(), "the value is @FILE.npy, random, random[2,3] or JSON");
  }
  return ResolvedInput{*std::move(array), {}};
}

}  // namespace

absl::StatusOr<InputArgument> ParseInputArgument(std::string_view text, const v1::ModelVersion& model) {
  const size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                            "input \"{}\" is not NAME=@FILE.npy, NAME=JSON or NAME=random", text);
  }
  InputArgument argument{std::string(text.substr(0, equals)), std::nullopt, std::string(text.substr(equals + 1))};
  const size_t colon = argument.name.rfind(':');
  if (colon == std::string::npos || colon == 0 || FindSpec(model, argument.name) != nullptr) {
    return argument;
  }
  absl::StatusOr<tensor::DType> dtype = tensor::ParseDType(argument.name.substr(colon + 1));
  if (dtype.ok()) {
    argument.dtype = *dtype;
    argument.name.resize(colon);
  }
  return argument;
}

absl::StatusOr<ResolvedInput> ResolveInput(const InputArgument& argument, const v1::ModelVersion& model,
                                           const InputSources& sources) {
  absl::StatusOr<ResolvedInput> input = ResolveValue(argument, model, sources);
  if (!input.ok()) return base::Annotate(input.status(), fmt::format("input {}", argument.name));
  tensor::Shape& shape = input->array.shape;
  if (AddBatchDimension(model, argument.name, &shape)) {
    input->notes.push_back(fmt::format("added the batch dimension: {}", tensor::ToString(shape)));
  }
  return input;
}

bool AddBatchDimension(const v1::ModelVersion& model, std::string_view name, tensor::Shape* shape) {
  if (!LacksBatchDimension(model, DeclaredShape(FindSpec(model, name)), *shape)) return false;
  shape->insert(shape->begin(), 1);
  return true;
}

}  // namespace torchferry::client
