#include "server/torch/run/gather.h"

#include <algorithm>
#include <cstring>

#include "server/base/status.h"
#include "server/base/utf8.h"
#include "server/tensor/long_bytes.h"
#include "server/tensor/request_limits.h"
#include "server/torch/device/convert.h"
#include "server/torch/device/staging.h"

namespace torchferry::libtorch {
namespace {

using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

// The requests' tensors of one input (element `element` of a list) one after another, in host memory: one copy of the
// bytes.
at::Tensor Concatenate(std::span<const tensor::BoundInputs* const> requests, size_t input, size_t element,
                       StreamLease& stream) {
  const tensor::HostTensor& first = requests[0]->values[input][element];
  tensor::Shape shape = first.shape;
  if (requests.size() > 1) {
    shape[0] = 0;
    for (const tensor::BoundInputs* request : requests) shape[0] += request->values[input][element].shape[0];
  }
  at::Tensor batch = StagingTensor(shape, ToTorch(first.dtype).value(), stream);
  auto* out = static_cast<std::byte*>(batch.mutable_data_ptr());
  for (const tensor::BoundInputs* request : requests) {
    const auto bytes = request->values[input][element].bytes;
    if (!bytes.empty()) std::memcpy(out, bytes.data(), bytes.size());
    out += bytes.size();
  }
  return batch;
}

at::Tensor View(const tensor::HostTensor& tensor) {
  return at::from_blob(const_cast<std::byte*>(tensor.bytes.data()), tensor.shape,
                       at::TensorOptions().dtype(ToTorch(tensor.dtype).value()));
}

c10::IValue Scalar(const tensor::HostTensor& tensor, tensor::ArgumentKind kind) {
  const at::Tensor value = at::from_blob(const_cast<std::byte*>(tensor.bytes.data()), {},
                                         at::TensorOptions().dtype(ToTorch(tensor.dtype).value()))
                               .clone();
  if (kind == tensor::ArgumentKind::kInt) return value.item<int64_t>();
  if (kind == tensor::ArgumentKind::kBool) return value.item<bool>();
  return value.item<double>();
}

// A reshape with the batch dimension's real size in front.
std::vector<int64_t> Reshaped(const tensor::Shape& shape, const at::Tensor& tensor, bool has_batch_dimension) {
  std::vector<int64_t> sizes(shape.begin(), shape.end());
  if (has_batch_dimension) sizes[0] = tensor.size(0);
  return sizes;
}

absl::Status AddOutput(const std::string& name, const c10::IValue& value, NamedTensors& outputs) {
  if (value.isTensor()) {
    outputs.emplace_back(name, value.toTensor());
    return absl::OkStatus();
  }
  return base::MakeStatus(
      absl::StatusCode::kInternal,
      "the model's output \"{}\" is a {}; a model may give a tensor, or a tuple, list or Dict[str, Tensor] of tensors",
      name, value.type()->annotation_str());
}

absl::Status AddElements(c10::ArrayRef<c10::IValue> values, NamedTensors& outputs) {
  for (const c10::IValue& value : values) {
    FERRY_RETURN_IF_ERROR(AddOutput(fmt::format("OUTPUT__{}", outputs.size()), value, outputs));
  }
  return absl::OkStatus();
}

absl::StatusOr<NamedTensors> Flatten(const c10::IValue& result) {
  NamedTensors outputs;
  if (result.isGenericDict()) {
    for (const auto& entry : result.toGenericDict()) {
      if (!entry.key().isString()) {
        return base::MakeStatus(absl::StatusCode::kInternal,
                                "the model gave a dict whose keys are {}; expected Dict[str, Tensor]",
                                entry.key().type()->annotation_str());
      }
      FERRY_RETURN_IF_ERROR(AddOutput(entry.key().toStringRef(), entry.value(), outputs));
    }
  } else if (result.isTuple()) {
    FERRY_RETURN_IF_ERROR(AddElements(result.toTupleRef().elements().asArrayRef(), outputs));
  } else if (result.isTensorList()) {
    for (const at::Tensor& tensor : result.toTensorVector()) {
      outputs.emplace_back(fmt::format("OUTPUT__{}", outputs.size()), tensor);
    }
  } else if (result.isList()) {
    FERRY_RETURN_IF_ERROR(AddElements(result.toListRef(), outputs));
  } else {
    FERRY_RETURN_IF_ERROR(AddOutput("OUTPUT__0", result, outputs));
  }
  return outputs;
}

// The outputs that the config declares, in its order: a dict's by name, others as their bindings say.
absl::StatusOr<NamedTensors> NameByConfig(const ModelSignature& signature, NamedTensors outputs, bool is_dict) {
  NamedTensors named;
  for (size_t i = 0; i < signature.outputs.size(); ++i) {
    const std::string& name = signature.outputs[i].name;
    size_t index = signature.outputs[i].result;
    if (is_dict) {
      index = 0;
      while (index < outputs.size() && outputs[index].first != name) ++index;
    }
    if (index >= outputs.size()) {
      return is_dict ? base::MakeStatus(absl::StatusCode::kInternal,
                                        "config.pbtxt declares the output \"{}\", which the model's dict does not have",
                                        name)
                     : base::MakeStatus(
                           absl::StatusCode::kInternal,
                           "config.pbtxt declares the output \"{}\", result {} of the model counted from 0; it gave {}",
                           name, index, outputs.size());
    }
    named.emplace_back(name, outputs[index].second);
  }
  return named;
}

absl::Status CheckDeclared(const OutputBinding& declared, const at::Tensor& tensor) {
  if (declared.dtype != tensor::DType::kInvalid && declared.dtype != FromTorch(tensor.scalar_type())) {
    return base::MakeStatus(absl::StatusCode::kInternal,
                            "the model's output \"{}\" has dtype {}; config.pbtxt declares {}", declared.name,
                            Name(FromTorch(tensor.scalar_type())), Name(declared.dtype));
  }
  const tensor::Shape& expected = declared.model_shape.has_value() ? *declared.model_shape : declared.shape;
  if (!tensor::Matches(expected, tensor.sizes())) {
    return base::MakeStatus(absl::StatusCode::kInternal,
                            "the model's output \"{}\" has shape {}; config.pbtxt declares {}", declared.name,
                            tensor::ToString(tensor.sizes()), tensor::ToString(expected));
  }
  return absl::OkStatus();
}

absl::Status CheckOutput(const std::string& name, const at::Tensor& tensor, int64_t rows) {
  if (!base::IsUtf8(name) || name.size() > limits::kMaxNameBytes) {
    return base::MakeStatus(absl::StatusCode::kInternal,
                            "the model calls an output \"{}\"; expected UTF-8 of at most {} bytes",
                            base::Excerpt(name, limits::kMaxShownBytes), limits::kMaxNameBytes);
  }
  if (FromTorch(tensor.scalar_type()) == tensor::DType::kInvalid || tensor.layout() != at::kStrided) {
    return base::MakeStatus(absl::StatusCode::kInternal,
                            "the model's output \"{}\" is a {} tensor, which has no form on the wire", name,
                            tensor.toString());
  }
  if (rows > 0 && (tensor.dim() == 0 || tensor.size(0) != rows)) {
    return base::MakeStatus(
        absl::StatusCode::kInternal,
        "the model's output \"{}\" has shape {} for {} rows; as max_batch_size is set, dimension 0 must be the rows",
        name, tensor::ToString(tensor.sizes()), rows);
  }
  return absl::OkStatus();
}

}  // namespace

std::vector<c10::IValue> GatherArguments(const ModelSignature& signature,
                                         std::span<const tensor::BoundInputs* const> requests, StreamLease& stream,
                                         const PrecisionBorder& border, bool are_written) {
  const at::Device device = stream.device();
  const bool has_batch_dimension = signature.signature.HasBatchDimension();
  std::vector<c10::IValue> arguments;
  for (const c10::Argument& argument : signature.arguments) {
    arguments.push_back(argument.default_value().value_or(c10::IValue()));
  }
  for (size_t i = 0; i < signature.inputs.size(); ++i) {
    const std::vector<tensor::HostTensor>& values = requests[0]->values[i];
    if (values.empty()) continue;
    const InputBinding& binding = signature.inputs[i];
    const tensor::ArgumentKind kind = signature.signature.inputs[i].kind;
    const auto batch = [&](size_t element) {
      const bool is_single = requests.size() == 1;
      at::Tensor tensor =
          is_single && device.is_cpu() ? View(values[element]) : Concatenate(requests, i, element, stream);
      if (binding.model_shape.has_value())
        tensor = tensor.view(Reshaped(*binding.model_shape, tensor, has_batch_dimension));
      const at::Tensor argument = border.In(tensor, device);
      return is_single && are_written && argument.is_alias_of(tensor) ? argument.clone() : argument;
    };
    if (kind == tensor::ArgumentKind::kTensor || kind == tensor::ArgumentKind::kOptionalTensor) {
      arguments[binding.argument] = batch(0);
    } else if (kind == tensor::ArgumentKind::kTensorList) {
      c10::List<at::Tensor> list;
      for (size_t element = 0; element < values.size(); ++element) list.push_back(batch(element));
      arguments[binding.argument] = list;
    } else {
      arguments[binding.argument] = Scalar(values[0], kind);
    }
  }
  return arguments;
}

absl::StatusOr<NamedTensors> NameOutputs(const ModelSignature& signature, const c10::IValue& result, int64_t rows,
                                         const PrecisionBorder& border, StreamLease& stream) {
  FERRY_ASSIGN_OR_RETURN(NamedTensors outputs, Flatten(result));
  for (size_t i = 0; i < outputs.size(); ++i) outputs[i].second = border.Out(outputs[i].second, i);
  if (!signature.outputs.empty()) {
    FERRY_ASSIGN_OR_RETURN(outputs, NameByConfig(signature, std::move(outputs), result.isGenericDict()));
  }
  for (auto& [name, tensor] : outputs) {
    FERRY_RETURN_IF_ERROR(CheckOutput(name, tensor, rows));
    tensor = ToHost(tensor.detach(), stream);
  }
  stream.Synchronize();
  for (size_t i = 0; i < std::min(outputs.size(), signature.outputs.size()); ++i) {
    auto& [name, tensor] = outputs[i];
    const OutputBinding& declared = signature.outputs[i];
    if (const auto type = ToTorch(declared.dtype)) tensor = PrecisionBorder::Declared(tensor, *type);
    FERRY_RETURN_IF_ERROR(CheckDeclared(declared, tensor));
    if (declared.model_shape.has_value()) tensor = tensor.view(Reshaped(declared.shape, tensor, rows > 0));
  }
  return outputs;
}

std::vector<at::ScalarType> TypesOf(const c10::IValue& result) {
  std::vector<at::ScalarType> types;
  const absl::StatusOr<NamedTensors> outputs = Flatten(result);
  if (!outputs.ok()) return types;
  for (const auto& [name, tensor] : *outputs) types.push_back(tensor.scalar_type());
  return types;
}

std::vector<model::Outputs> SplitOutputs(const NamedTensors& outputs,
                                         std::span<const tensor::BoundInputs* const> requests,
                                         bool has_batch_dimension) {
  std::vector<model::Outputs> split;
  int64_t row = 0;
  for (const tensor::BoundInputs* request : requests) {
    model::Outputs own;
    for (const auto& [name, tensor] : outputs) {
      at::Tensor part = has_batch_dimension && requests.size() > 1 ? tensor.narrow(0, row, request->rows) : tensor;
      // An answer that waits for its client to read it must not keep the others' rows, or what it was cut out of.
      if (part.nbytes() >= tensor::kLongBytes && part.storage().nbytes() / 4 * 3 > part.nbytes()) part = part.clone();
      own.push_back({name, FromTorch(part, tensor::Shape(part.sizes().begin(), part.sizes().end()))});
    }
    row += request->rows;
    split.push_back(std::move(own));
  }
  return split;
}

}  // namespace torchferry::libtorch
