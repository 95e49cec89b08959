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
using Requests = std::span<const tensor::BoundInputs* const>;

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
  if (kind == tensor::ArgumentKind::kString) return std::string(tensor::TextElements(tensor).at(0));
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

// None has its place, as no tensor, until the outputs have their names.
absl::Status AddOutput(const std::string& name, const c10::IValue& value, NamedTensors& outputs) {
  if (value.isNone()) {
    outputs.emplace_back(name, at::Tensor());
    return absl::OkStatus();
  }
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
  } else if (result.isNone()) {
    return outputs;
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
    const std::string& source = signature.outputs[i].source;
    size_t index = signature.outputs[i].result;
    if (is_dict) {
      index = 0;
      while (index < outputs.size() && outputs[index].first != name) ++index;
    }
    if (index >= outputs.size()) {
      return is_dict
                 ? base::MakeStatus(absl::StatusCode::kInternal,
                                    "{} declares the output \"{}\", which the model's dict does not have", source, name)
                 : base::MakeStatus(absl::StatusCode::kInternal,
                                    "{} declares the output \"{}\", result {} of the model counted from 0; it gave {}",
                                    source, name, index, outputs.size());
    }
    named.emplace_back(name, outputs[index].second);
  }
  return named;
}

absl::Status CheckDeclared(const OutputBinding& declared, const at::Tensor& tensor) {
  if (declared.dtype != tensor::DType::kInvalid && declared.dtype != FromTorch(tensor.scalar_type())) {
    return base::MakeStatus(absl::StatusCode::kInternal, "the model's output \"{}\" has dtype {}; {} declares {}",
                            declared.name, Name(FromTorch(tensor.scalar_type())), declared.source,
                            Name(declared.dtype));
  }
  const tensor::Shape& expected = declared.model_shape.has_value() ? *declared.model_shape : declared.shape;
  // As for Triton, declared sizes are what clients are told, and no demand; but a reshape must be possible.
  if (declared.model_shape.has_value() && !tensor::Matches(expected, tensor.sizes())) {
    return base::MakeStatus(absl::StatusCode::kInternal, "the model's output \"{}\" has shape {}; {} declares {}",
                            declared.name, tensor::ToString(tensor.sizes()), declared.source,
                            tensor::ToString(expected));
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

// Makes one request's arguments, or those of a batch, of their inputs.
class ArgumentMaker {
 public:
  ArgumentMaker(const ModelSignature& signature, Requests requests, StreamLease& stream, const PrecisionBorder& border,
                bool are_written)
      : signature_(signature), requests_(requests), stream_(stream), border_(border), are_written_(are_written) {}

  // Whether a request has an input of it; without one the default stands, or None. What cannot be left out, a dict of
  // which no key is read say, is made in any case.
  bool IsSent(const ArgumentNode& node) const {
    if (node.kind == ArgumentNode::Kind::kInput)
      return node.input != ArgumentNode::kNoInput && !requests_[0]->values[node.input].empty();
    if (node.kind == ArgumentNode::Kind::kDefault) return false;
    return !node.may_be_left_out || std::ranges::any_of(node.parts, [this](const auto& part) { return IsSent(part); });
  }

  c10::IValue Make(const ArgumentNode& node) const {
    switch (node.kind) {
      case ArgumentNode::Kind::kInput:
        return Input(node);
      case ArgumentNode::Kind::kTuple:
        return Tuple(node);
      case ArgumentNode::Kind::kDict:
        return Dict(node);
      case ArgumentNode::Kind::kList: {
        c10::impl::GenericList list(node.type->castRaw<c10::ListType>()->getElementType());
        for (const ArgumentNode& part : node.parts) list.push_back(MakeOrNone(part));
        return list;
      }
      default:
        return c10::IValue();
    }
  }

 private:
  c10::IValue MakeOrNone(const ArgumentNode& node) const { return IsSent(node) ? Make(node) : c10::IValue(); }

  c10::IValue Tuple(const ArgumentNode& node) const {
    std::vector<c10::IValue> elements;
    elements.reserve(node.parts.size());
    for (const ArgumentNode& part : node.parts) elements.push_back(MakeOrNone(part));
    return c10::ivalue::Tuple::createNamed(std::move(elements), node.type->cast<c10::TupleType>());
  }

  c10::IValue Dict(const ArgumentNode& node) const {
    const auto* type = node.type->castRaw<c10::DictType>();
    c10::impl::GenericDict dict(type->getKeyType(), type->getValueType());
    for (size_t i = 0; i < node.parts.size(); ++i) {
      if (IsSent(node.parts[i])) dict.insert(node.keys[i], Make(node.parts[i]));
    }
    return dict;
  }

  c10::IValue Input(const ArgumentNode& node) const {
    const std::vector<tensor::HostTensor>& values = requests_[0]->values[node.input];
    switch (node.input_kind) {
      case tensor::ArgumentKind::kTensor:
      case tensor::ArgumentKind::kOptionalTensor:
        return Batch(node.input, 0);
      case tensor::ArgumentKind::kTensorList: {
        c10::List<at::Tensor> list;
        for (size_t element = 0; element < values.size(); ++element) list.push_back(Batch(node.input, element));
        return list;
      }
      case tensor::ArgumentKind::kTensorDict: {
        c10::Dict<std::string, at::Tensor> dict;
        const std::vector<std::string>& keys = requests_[0]->keys.at(node.input);
        for (size_t element = 0; element < values.size(); ++element)
          dict.insert(keys[element], Batch(node.input, element));
        return dict;
      }
      case tensor::ArgumentKind::kStringList: {
        c10::List<std::string> list;
        for (const tensor::BoundInputs* request : requests_) {
          for (const std::string_view text : tensor::TextElements(request->values[node.input][0]))
            list.push_back(std::string(text));
        }
        return list;
      }
      default:
        return Scalar(values[0], node.input_kind);
    }
  }

  // The requests' tensors of one input, or of an element of it, on the device.
  at::Tensor Batch(size_t input, size_t element) const {
    const at::Device device = stream_.device();
    const bool is_single = requests_.size() == 1;
    at::Tensor tensor = is_single && device.is_cpu() ? View(requests_[0]->values[input][element])
                                                     : Concatenate(requests_, input, element, stream_);
    const InputBinding& binding = signature_.inputs[input];
    if (binding.model_shape.has_value())
      tensor = tensor.view(Reshaped(*binding.model_shape, tensor, signature_.signature.HasBatchDimension()));
    const at::Tensor argument = border_.In(tensor, device);
    return is_single && are_written_ && argument.is_alias_of(tensor) ? argument.clone() : argument;
  }

  const ModelSignature& signature_;
  const Requests requests_;
  StreamLease& stream_;
  const PrecisionBorder& border_;
  const bool are_written_;
};

}  // namespace

std::vector<c10::IValue> GatherArguments(const ModelSignature& signature,
                                         std::span<const tensor::BoundInputs* const> requests, StreamLease& stream,
                                         const PrecisionBorder& border, bool are_written) {
  std::vector<c10::IValue> arguments;
  arguments.reserve(signature.arguments.size() + 1);
  for (const c10::Argument& argument : signature.arguments) {
    arguments.push_back(argument.default_value().value_or(c10::IValue()));
  }
  const ArgumentMaker maker(signature, requests, stream, border, are_written);
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (maker.IsSent(signature.trees[i])) arguments[i] = maker.Make(signature.trees[i]);
  }
  return arguments;
}

absl::StatusOr<NamedTensors> NameOutputs(const ModelSignature& signature, const c10::IValue& result, int64_t rows,
                                         const PrecisionBorder& border, StreamLease& stream) {
  FERRY_ASSIGN_OR_RETURN(NamedTensors outputs, Flatten(result));
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (outputs[i].second.defined()) outputs[i].second = border.Out(outputs[i].second, i);
  }
  if (!signature.outputs.empty()) {
    FERRY_ASSIGN_OR_RETURN(outputs, NameByConfig(signature, std::move(outputs), result.isGenericDict()));
  }
  for (auto& [name, tensor] : outputs) {
    if (!tensor.defined()) continue;
    FERRY_RETURN_IF_ERROR(CheckOutput(name, tensor, rows));
    tensor = ToHost(tensor.detach(), stream);
  }
  stream.Synchronize();
  for (size_t i = 0; i < std::min(outputs.size(), signature.outputs.size()); ++i) {
    auto& [name, tensor] = outputs[i];
    if (!tensor.defined()) continue;
    const OutputBinding& declared = signature.outputs[i];
    if (const auto type = ToTorch(declared.dtype)) tensor = PrecisionBorder::Declared(tensor, *type);
    FERRY_RETURN_IF_ERROR(CheckDeclared(declared, tensor));
    if (declared.model_shape.has_value()) tensor = tensor.view(Reshaped(declared.shape, tensor, rows > 0));
  }
  std::erase_if(outputs, [](const auto& output) { return !output.second.defined(); });
  return outputs;
}

std::vector<at::ScalarType> TypesOf(const c10::IValue& result) {
  std::vector<at::ScalarType> types;
  const absl::StatusOr<NamedTensors> outputs = Flatten(result);
  if (!outputs.ok()) return types;
  for (const auto& [name, tensor] : *outputs) {
    types.push_back(tensor.defined() ? tensor.scalar_type() : at::ScalarType::Undefined);
  }
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
