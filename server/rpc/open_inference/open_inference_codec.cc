#include "server/rpc/open_inference/open_inference_codec.h"

#include <absl/strings/numbers.h>

#include <limits>
#include <memory>
#include <string_view>
#include <vector>

#include "server/base/status.h"
#include "server/base/utf8.h"
#include "server/rpc/predict/request_builder.h"
#include "server/tensor/request_limits.h"

namespace torchferry::rpc {
namespace {

using InputMessage = inference::ModelInferRequest::InferInputTensor;
using Parameters = google::protobuf::Map<std::string, inference::InferParameter>;

template <typename... Args>
absl::Status Invalid(fmt::format_string<Args...> format, Args&&... args) {
  return base::MakeStatus(absl::StatusCode::kInvalidArgument, format, std::forward<Args>(args)...);
}

absl::StatusOr<tensor::DType> DecodeDatatype(const InputMessage& input) {
  // Of a long one the error would say all of it.
  const absl::StatusOr<tensor::DType> dtype = tensor::ParseDType(input.datatype().substr(0, limits::kMaxShownBytes));
  if (dtype.ok() && *dtype <= tensor::DType::kBytes) return *dtype;
  return Invalid(
      "input \"{}\" has datatype \"{}\"; expected BOOL, UINT8 to UINT64, INT8 to INT64, FP16, BF16, FP32, FP64 or "
      "BYTES",
      input.name(), base::Excerpt(input.datatype(), limits::kMaxShownBytes));
}

// The field that an input's elements are in, and how many it has.
struct TypedField {
  std::string_view name;
  int64_t count = 0;
};

// The elements as they lie in the message.
template <typename Field>
TypedField View(std::string_view name, const Field& field, tensor::HostTensor& tensor) {
  tensor.bytes = std::as_bytes(std::span(field.data(), static_cast<size_t>(field.size())));
  return {name, field.size()};
}

// Elements that travel in 32 bits, in their own size.
template <typename Element, typename Field>
absl::StatusOr<TypedField> Narrow(std::string_view name, const Field& field, const std::string& input,
                                  tensor::HostTensor& tensor) {
  auto elements = std::make_shared<std::vector<Element>>();
  elements->reserve(static_cast<size_t>(field.size()));
  for (const auto value : field) {
    if (value < std::numeric_limits<Element>::min() || value > std::numeric_limits<Element>::max()) {
      return Invalid("input \"{}\" is {} and has the value {}, which is not one of that type", input,
                     Name(tensor.dtype), value);
    }
    elements->push_back(static_cast<Element>(value));
  }
  tensor.bytes = std::as_bytes(std::span(*elements));
  tensor.owner = std::move(elements);
  return TypedField{name, field.size()};
}

// Elements of text as they lie in raw_input_contents: each after its length.
TypedField Encode(std::string_view name, const google::protobuf::RepeatedPtrField<std::string>& field,
                  tensor::HostTensor& tensor) {
  auto elements = std::make_shared<std::string>();
  size_t bytes = 0;
  for (const std::string& text : field) bytes += sizeof(uint32_t) + text.size();
  elements->reserve(bytes);
  for (const std::string& text : field) {
    const auto length = static_cast<uint32_t>(text.size());
    elements->append(reinterpret_cast<const char*>(&length), sizeof(length)).append(text);
  }
  tensor.bytes = std::as_bytes(std::span(*elements));
  tensor.owner = std::move(elements);
  return {name, field.size()};
}

// How many elements there are in fields, and the name of the one with some.
std::pair<int64_t, std::string_view> Filled(const inference::InferTensorContents& contents) {
  std::pair<int64_t, std::string_view> filled = {0, ""};
  const auto see = [&filled](int count, std::string_view name) {
    filled.first += count;
    if (count > 0) filled.second = name;
  };
  see(contents.bool_contents_size(), "bool_contents");
  see(contents.int_contents_size(), "int_contents");
  see(contents.int64_contents_size(), "int64_contents");
  see(contents.uint_contents_size(), "uint_contents");
  see(contents.uint64_contents_size(), "uint64_contents");
  see(contents.fp32_contents_size(), "fp32_contents");
  see(contents.fp64_contents_size(), "fp64_contents");
  see(contents.bytes_contents_size(), "bytes_contents");
  return filled;
}

// The elements of the field that belongs to the tensor's dtype.
absl::StatusOr<TypedField> TakeElements(const InputMessage& input, tensor::HostTensor& tensor) {
  const inference::InferTensorContents& contents = input.contents();
  switch (tensor.dtype) {
    case tensor::DType::kBool:
      return View("bool_contents", contents.bool_contents(), tensor);
    case tensor::DType::kInt8:
      return Narrow<int8_t>("int_contents", contents.int_contents(), input.name(), tensor);
    case tensor::DType::kInt16:
      return Narrow<int16_t>("int_contents", contents.int_contents(), input.name(), tensor);
    case tensor::DType::kInt32:
      return View("int_contents", contents.int_contents(), tensor);
    case tensor::DType::kInt64:
      return View("int64_contents", contents.int64_contents(), tensor);
    case tensor::DType::kUint8:
      return Narrow<uint8_t>("uint_contents", contents.uint_contents(), input.name(), tensor);
    case tensor::DType::kUint16:
      return Narrow<uint16_t>("uint_contents", contents.uint_contents(), input.name(), tensor);
    case tensor::DType::kUint32:
      return View("uint_contents", contents.uint_contents(), tensor);
    case tensor::DType::kUint64:
      return View("uint64_contents", contents.uint64_contents(), tensor);
    case tensor::DType::kFp32:
      return View("fp32_contents", contents.fp32_contents(), tensor);
    case tensor::DType::kFp64:
      return View("fp64_contents", contents.fp64_contents(), tensor);
    case tensor::DType::kBytes:
      return Encode("bytes_contents", contents.bytes_contents(), tensor);
    default:
      return Invalid("input \"{}\" is {}, which has no typed contents; send its bytes in raw_input_contents",
                     input.name(), Name(tensor.dtype));
  }
}

absl::Status DecodeContents(const InputMessage& input, tensor::HostTensor& tensor) {
  FERRY_ASSIGN_OR_RETURN(const TypedField taken, TakeElements(input, tensor));
  if (const auto [filled, field] = Filled(input.contents()); filled > taken.count) {
    return Invalid("input \"{}\" is {}, whose elements belong into {}; it has some in {}", input.name(),
                   Name(tensor.dtype), taken.name, taken.count == 0 ? field : "another field too");
  }
  const absl::StatusOr<int64_t> elements = tensor::ElementCount(tensor.shape);
  if (elements.ok() && *elements != taken.count) {
    return Invalid("input \"{}\" has shape {}, which is {} elements, and {} in {}", input.name(),
                   tensor::ToString(tensor.shape), *elements, taken.count, taken.name);
  }
  return absl::OkStatus();
}

// Of whatever type.
bool IsSet(const inference::InferParameter& value) {
  return value.bool_param() || value.int64_param() != 0 || value.uint64_param() != 0 || value.double_param() != 0 ||
         !value.string_param().empty();
}

absl::Status CheckTensorParameters(std::string_view what, const std::string& name, const Parameters& parameters) {
  if (parameters.empty()) return absl::OkStatus();
  FERRY_RETURN_IF_ERROR(CheckParameterCount(fmt::format("{} \"{}\"", what, name), parameters.size()));
  for (const auto& [key, value] : parameters) {
    if (key.starts_with("shared_memory_")) {
      return base::MakeStatus(
          absl::StatusCode::kUnimplemented,
          "{} \"{}\" asks for shared memory, which this server does not have; send the bytes in the message", what,
          name);
    }
  }
  return absl::OkStatus();
}

// The number of classes that a requested output asks for; 0: its elements.
absl::StatusOr<int64_t> ClassesOf(const inference::ModelInferRequest::InferRequestedOutputTensor& output) {
  const auto it = output.parameters().find("classification");
  if (it == output.parameters().end() || !IsSet(it->second)) return 0;
  const inference::InferParameter& value = it->second;
  if (value.has_int64_param() && value.int64_param() > 0) return value.int64_param();
  if (value.has_uint64_param())
    return static_cast<int64_t>(std::min(value.uint64_param(), uint64_t{std::numeric_limits<int64_t>::max()}));
  return Invalid("the parameter classification of output \"{}\" is a number of classes, 1 or more", output.name());
}

absl::StatusOr<uint64_t> PriorityOf(const inference::InferParameter& value) {
  if (value.has_uint64_param()) return value.uint64_param();
  if (value.has_int64_param() && value.int64_param() >= 0) return static_cast<uint64_t>(value.int64_param());
  if (!IsSet(value)) return 0;
  return Invalid("the parameter priority is a number: 1, the highest, or more, or 0 for the model's default");
}

absl::Status ReadParameters(const Parameters& parameters, base::TimePoint now, Request& request) {
  for (const auto& [key, value] : parameters) {
    if (key == "timeout") {
      const bool is_number = value.has_int64_param() || value.has_uint64_param();
      const int64_t microseconds =
          value.has_uint64_param()
              ? static_cast<int64_t>(std::min(value.uint64_param(), uint64_t{std::numeric_limits<int64_t>::max()}))
              : value.int64_param();
      if (!is_number || microseconds < 0)
        return Invalid("the parameter timeout is a number of microseconds, 0 or more");
      // A year and more is none.
      if (microseconds > 0 && microseconds < int64_t{365} * 24 * 3600 * 1'000'000) {
        request.deadline = now + std::chrono::duration_cast<base::Duration>(std::chrono::microseconds(microseconds));
      }
    } else if (key == "priority") {
      FERRY_ASSIGN_OR_RETURN(request.priority, PriorityOf(value));
    } else if (key == "sequence_id" && IsSet(value)) {
      request.names_sequence = true;
    }
  }
  return absl::OkStatus();
}

absl::Status DecodeInput(const inference::ModelInferRequest& message, int index, RequestBuilder& builder) {
  const InputMessage& input = message.inputs(index);
  FERRY_RETURN_IF_ERROR(RequestBuilder::CheckTensorName("input", input.name()));
  FERRY_RETURN_IF_ERROR(CheckRank(input.name(), static_cast<size_t>(input.shape_size())));
  FERRY_RETURN_IF_ERROR(CheckTensorParameters("input", input.name(), input.parameters()));
  tensor::HostTensor tensor;
  FERRY_ASSIGN_OR_RETURN(tensor.dtype, DecodeDatatype(input));
  if (message.raw_input_contents_size() == 0) {
    tensor.shape.assign(input.shape().begin(), input.shape().end());
    FERRY_RETURN_IF_ERROR(DecodeContents(input, tensor));
  } else if (Filled(input.contents()).first > 0) {
    return Invalid("input \"{}\" has contents, and the request has raw_input_contents; send one or the other",
                   input.name());
  } else {
    tensor.bytes = std::as_bytes(std::span(message.raw_input_contents(index)));
  }
  return builder.AddInput(input.name(), tensor.dtype, {input.shape().data(), static_cast<size_t>(input.shape_size())},
                          tensor.bytes, std::move(tensor.owner));
}

// Into the map of parameters: `add` adds the value.
template <typename Add>
void EncodeParameter(std::string_view name, OutgoingMessage& message, const Add& add) {
  constexpr int kKey = 1;
  constexpr int kValue = 2;
  message.AddMessage(inference::ModelInferResponse::kParametersFieldNumber, [&] {
    message.AddString(kKey, name);
    message.AddMessage(kValue, add);
  });
}

void EncodeExecution(const serving::Execution& execution, OutgoingMessage& message) {
  using Parameter = inference::InferParameter;
  EncodeParameter("torchferry_device", message,
                  [&] { message.AddString(Parameter::kStringParamFieldNumber, execution.device); });
  EncodeParameter("torchferry_fallback", message,
                  [&] { message.AddNumber(Parameter::kBoolParamFieldNumber, execution.fallback ? 1 : 0); });
  if (!execution.fallback) return;
  EncodeParameter("torchferry_fallback_reason", message,
                  [&] { message.AddString(Parameter::kStringParamFieldNumber, Name(execution.fallback_reason)); });
}

}  // namespace

absl::StatusOr<int64_t> DecodeVersion(const std::string& text) {
  int64_t version = 0;
  if (text.empty()) return version;
  if (text.front() >= '1' && text.front() <= '9' && text.back() >= '0' && absl::SimpleAtoi(text, &version))
    return version;
  return Invalid("the version is \"{}\"; expected a positive integer, or nothing for the newest",
                 base::Excerpt(text, limits::kMaxShownBytes));
}

absl::StatusOr<Request> DecodeInferRequest(const inference::ModelInferRequest& message, base::TimePoint now) {
  RequestBuilder builder;
  FERRY_RETURN_IF_ERROR(builder.Begin(message.id(), {.inputs = static_cast<size_t>(message.inputs_size()),
                                                     .wanted_outputs = static_cast<size_t>(message.outputs_size()),
                                                     .parameters = message.parameters().size()}));
  FERRY_ASSIGN_OR_RETURN(builder.request().version, DecodeVersion(message.model_version()));
  FERRY_RETURN_IF_ERROR(ReadParameters(message.parameters(), now, builder.request()));
  const int raw = message.raw_input_contents_size();
  if (raw != 0 && raw != message.inputs_size()) {
    return Invalid("the request has {} inputs and {} raw_input_contents; expected one for each, or none",
                   message.inputs_size(), raw);
  }
  for (int i = 0; i < message.inputs_size(); ++i) FERRY_RETURN_IF_ERROR(DecodeInput(message, i, builder));
  for (const auto& output : message.outputs()) {
    FERRY_RETURN_IF_ERROR(builder.AddWanted(output.name()));
    FERRY_RETURN_IF_ERROR(CheckTensorParameters("output", output.name(), output.parameters()));
    FERRY_ASSIGN_OR_RETURN(const int64_t classes, ClassesOf(output));
    if (classes > 0) builder.request().top_classes[output.name()] = classes;
  }
  return builder.Take();
}

absl::Status EncodeInferAnswer(const Answer& answer, const inference::ModelInferRequest& request,
                               OutgoingMessage& message) {
  using Response = inference::ModelInferResponse;
  message.AddString(Response::kModelNameFieldNumber, answer.model);
  message.AddString(Response::kModelVersionFieldNumber, std::to_string(answer.version));
  if (!request.id().empty()) message.AddString(Response::kIdFieldNumber, request.id());
  EncodeExecution(answer.result.execution, message);
  for (const model::NamedTensor& output : answer.result.outputs) {
    const tensor::DType dtype = output.tensor.dtype;
    if (dtype == tensor::DType::kInvalid || dtype > tensor::DType::kBytes) {
      return base::MakeStatus(absl::StatusCode::kInternal,
                              "the model's output \"{}\" is {}, which has no form on the wire; cast it in the model",
                              output.name, Name(dtype));
    }
    message.AddMessage(Response::kOutputsFieldNumber, [&] {
      message.AddString(Response::InferOutputTensor::kNameFieldNumber, output.name);
      message.AddString(Response::InferOutputTensor::kDatatypeFieldNumber, Name(dtype));
      message.AddNumbers(Response::InferOutputTensor::kShapeFieldNumber, output.tensor.shape);
    });
  }
  for (const model::NamedTensor& output : answer.result.outputs)
    message.AddBytes(Response::kRawOutputContentsFieldNumber, output.tensor.bytes, output.tensor.owner);
  return absl::OkStatus();
}

}  // namespace torchferry::rpc
