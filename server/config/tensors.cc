// input and output: names, element types, shapes and the shapes that the model sees instead.
#include <algorithm>
#include <limits>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/base/json.h"
#include "server/base/status.h"
#include "server/config/sections.h"
#include "server/tensor/request_limits.h"

namespace torchferry::config {

tensor::DType ToDType(inference::DataType type) {
  switch (type) {
    case inference::TYPE_BOOL:
      return tensor::DType::kBool;
    case inference::TYPE_UINT8:
      return tensor::DType::kUint8;
    case inference::TYPE_UINT16:
      return tensor::DType::kUint16;
    case inference::TYPE_UINT32:
      return tensor::DType::kUint32;
    case inference::TYPE_UINT64:
      return tensor::DType::kUint64;
    case inference::TYPE_INT8:
      return tensor::DType::kInt8;
    case inference::TYPE_INT16:
      return tensor::DType::kInt16;
    case inference::TYPE_INT32:
      return tensor::DType::kInt32;
    case inference::TYPE_INT64:
      return tensor::DType::kInt64;
    case inference::TYPE_FP16:
      return tensor::DType::kFp16;
    case inference::TYPE_BF16:
      return tensor::DType::kBf16;
    case inference::TYPE_FP32:
      return tensor::DType::kFp32;
    case inference::TYPE_FP64:
      return tensor::DType::kFp64;
    case inference::TYPE_STRING:
      return tensor::DType::kBytes;
    default:
      return tensor::DType::kInvalid;
  }
}

namespace {

// One input or output: `what` is "input" or "output", as messages say it.
template <typename Message>
struct TensorSource {
  std::string_view what;
  const Message& message;
  const TextPositions& positions;
  Findings& findings;

  std::string Label() const { return fmt::format("{} {}", what, base::JsonQuote(message.name())); }
};

// The sizes that `positions` has as `field`: known (1 or more) or free, their product countable.
// Nothing if they are wrong. `what` is what messages call them.
std::optional<tensor::Shape> ReadShape(const google::protobuf::RepeatedField<int64_t>& sizes, std::string_view field,
                                       const std::string& what, const TextPositions& positions, Findings& findings) {
  if (static_cast<size_t>(sizes.size()) > limits::kMaxTensorRank) {
    findings.Error(positions.Of(field), "{} has {} sizes; expected at most {}", what, sizes.size(),
                   limits::kMaxTensorRank);
    return std::nullopt;
  }
  bool is_valid = true;
  tensor::Shape shape(sizes.begin(), sizes.end());
  tensor::Shape fixed;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] >= 1) {
      fixed.push_back(shape[i]);
    } else if (shape[i] != tensor::kAnyDim) {
      is_valid = false;
      findings.Error(positions.Of(field, static_cast<int>(i)),
                     "{} has the size {}; expected 1 or more, or -1 where any size will do", what, shape[i]);
    }
  }
  if (!tensor::ElementCount(fixed).ok()) {
    is_valid = false;
    findings.Error(positions.Of(field), "{} is {}, more than 2^63-1 elements; expected fewer", what,
                   tensor::ToString(shape));
  }
  return is_valid ? std::optional(std::move(shape)) : std::nullopt;
}

// The element counts of the runs between free sizes: [2, 4, -1, 6] → 8, 6. Two shapes whose runs
// agree hold the same elements whatever the free sizes are.
std::vector<int64_t> ElementRuns(std::span<const int64_t> shape) {
  std::vector<int64_t> runs;
  size_t begin = 0;
  for (size_t i = 0; i <= shape.size(); ++i) {
    if (i < shape.size() && shape[i] != tensor::kAnyDim) continue;
    runs.push_back(tensor::ElementCount(shape.subspan(begin, i - begin)).value_or(-1));
    begin = i + 1;
  }
  return runs;
}

template <typename Message>
std::optional<tensor::Shape> ReadReshape(const TensorSource<Message>& source, int64_t max_batch_size,
                                         const tensor::Shape& dims) {
  const TextPositions& positions = source.positions.In("reshape");
  std::optional<tensor::Shape> reshape =
      ReadShape(source.message.reshape().shape(), "shape", fmt::format("reshape of {}", source.Label()), positions,
                source.findings);
  if (!reshape) return std::nullopt;
  if (reshape->empty() && max_batch_size == 0) {
    source.findings.Error(positions.at(),
                          "reshape of {} has no shape; expected one, for without max_batch_size the "
                          "model would see no dimension",
                          source.Label());
  } else if (ElementRuns(dims) != ElementRuns(*reshape)) {
    source.findings.Error(positions.at(), "reshape of {} is {}; expected as many elements as in dims {}",
                          source.Label(), tensor::ToString(*reshape), tensor::ToString(dims));
  }
  return reshape;
}

template <typename Message>
tensor::DType ReadDType(const TensorSource<Message>& source) {
  const inference::DataType type = source.message.data_type();
  if (type == inference::TYPE_INVALID) {
    source.findings.Error(source.positions.Of("data_type"), "{} has no data_type; expected one, such as TYPE_FP32",
                          source.Label());
  } else if (type == inference::TYPE_STRING && source.what == "output") {
    source.findings.Error(source.positions.Of("data_type"),
                          "data_type of {} is TYPE_STRING; expected a number or TYPE_BOOL: PyTorch "
                          "has no tensors of strings; give numbers, and decode them in the client",
                          source.Label());
  }
  return ToDType(type);
}

template <typename Message>
TensorConfig ReadTensor(const TensorSource<Message>& source, int64_t max_batch_size) {
  TensorConfig tensor;
  tensor.name = source.message.name();
  if (tensor.name.empty()) {
    source.findings.Error(source.positions.at(), "an {} has no name; expected one", source.what);
  }
  tensor.dtype = ReadDType(source);
  const std::optional<tensor::Shape> dims = ReadShape(
      source.message.dims(), "dims", fmt::format("dims of {}", source.Label()), source.positions, source.findings);
  if (!dims) return tensor;
  tensor.dims = *dims;
  if (dims->empty()) {
    source.findings.Error(source.positions.at(), "{} has no dims; expected them{}", source.Label(),
                          max_batch_size > 0 ? " (one number a row: dims: [ 1 ] reshape { shape: [] })"
                                             : " (a single number: dims: [ 1 ])");
  } else if (source.message.has_reshape()) {
    tensor.reshape = ReadReshape(source, max_batch_size, *dims);
  }
  return tensor;
}

// All of `messages`, whose names must differ.
template <typename Message>
std::vector<TensorConfig> ReadAll(const ConfigSource& source, std::string_view what,
                                  const google::protobuf::RepeatedPtrField<Message>& messages) {
  std::vector<TensorConfig> tensors;
  std::set<std::string> names;
  for (int i = 0; i < messages.size(); ++i) {
    const TextPositions& positions = source.positions.In(what, i);
    tensors.push_back(ReadTensor(TensorSource<Message>{what, messages[i], positions, source.findings},
                                 source.message.max_batch_size()));
    const std::string& name = tensors.back().name;
    if (!names.insert(name).second && !name.empty()) {
      source.findings.Error(positions.Of("name"), "two {}s are called {}; expected different names", what,
                            base::JsonQuote(name));
    }
  }
  return tensors;
}

// Bytes of one row of it, free sizes being 1; 0 of what is wrong.
int64_t LeastRowBytes(const TensorConfig& tensor) {
  tensor::Shape shape = tensor.dims;
  std::ranges::replace(shape, tensor::kAnyDim, int64_t{1});
  const absl::StatusOr<int64_t> bytes = tensor::ByteCount(tensor.dtype, shape);
  if (bytes.ok()) return *bytes;
  return tensor.dtype == tensor::DType::kInvalid ? 0 : std::numeric_limits<int64_t>::max();
}

// The rows that a load makes up are as large as the inputs that must be there.
void CheckRowBytes(const ConfigSource& source, const std::vector<TensorConfig>& inputs) {
  int64_t left = limits::kMaxGeneratedBytes;
  for (int i = 0; i < source.message.input_size(); ++i) {
    const TensorConfig& input = inputs[static_cast<size_t>(i)];
    if (source.message.input(i).optional()) continue;
    const int64_t bytes = LeastRowBytes(input);
    if (bytes <= left) {
      left -= bytes;
      continue;
    }
    return source.findings.Error(source.positions.In("input", i).Of("dims"),
                                 "dims of input {} is {}: with it a row has more than {} bytes, the max of a generated "
                                 "row. Expected less, or -1 where the size is free",
                                 base::JsonQuote(input.name), tensor::ToString(input.dims), limits::kMaxGeneratedBytes);
  }
}

}  // namespace

void ReadTensors(const ConfigSource& source, ModelConfig& config) {
  config.inputs = ReadAll(source, "input", source.message.input());
  config.outputs = ReadAll(source, "output", source.message.output());
  for (int i = 0; i < source.message.input_size(); ++i) {
    config.inputs[static_cast<size_t>(i)].is_optional = source.message.input(i).optional();
  }
  for (int i = 0; i < source.message.output_size(); ++i) {
    const std::string& labels = source.message.output(i).label_filename();
    config.outputs[static_cast<size_t>(i)].label_filename = labels;
    CheckFileName("label_filename", labels, source.positions.In("output", i).Of("label_filename"), source.findings);
  }
  CheckRowBytes(source, config.inputs);
}

}  // namespace torchferry::config
