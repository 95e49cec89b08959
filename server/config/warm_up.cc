// model_warmup: requests that a model runs before it serves.
#include <algorithm>
#include <set>
#include <string>

#include "server/base/json.h"
#include "server/base/list_text.h"
#include "server/config/map_keys.h"
#include "server/config/sections.h"
#include "server/tensor/request_limits.h"

namespace torchferry::config {
namespace {

// More is a slip of the pen: a model is warm after a few runs, and is not served before the last.
constexpr uint32_t kMaxWarmUpRuns = 10'000;

// Names in a message.
constexpr size_t kMaxListed = 20;

using WarmUpSource = Source<inference::ModelWarmup>;
using InputSource = Source<inference::ModelWarmup::Input>;

bool Matches(const tensor::Shape& dims, const tensor::Shape& declared) {
  return std::ranges::equal(
      dims, declared, [](int64_t size, int64_t expected) { return expected == tensor::kAnyDim || size == expected; });
}

void CheckAgainst(const std::vector<TensorConfig>& declared, const WarmUpInput& input, const InputSource& source) {
  const auto spec = std::ranges::find(declared, input.name, &TensorConfig::name);
  if (spec == declared.end()) {
    source.findings.Error(source.positions.at(), "model_warmup has an input {}; expected one of {}",
                          base::JsonQuote(input.name),
                          base::ListText(
                              declared, [](const TensorConfig& tensor) { return tensor.name; }, kMaxListed));
    return;
  }
  if (input.dtype != spec->dtype && spec->dtype != tensor::DType::kInvalid) {
    source.findings.Error(source.positions.Of("data_type"), "data_type of model_warmup's input {} is {}; expected {}",
                          base::JsonQuote(input.name), Name(input.dtype), Name(spec->dtype));
  }
  if (!Matches(input.dims, spec->dims)) {
    source.findings.Error(source.positions.Of("dims"), "dims of model_warmup's input {} is {}; expected {}",
                          base::JsonQuote(input.name), tensor::ToString(input.dims), tensor::ToString(spec->dims));
  }
}

// `left`: bytes of the request's inputs that may still come; less this one's afterwards.
void CheckSizes(const WarmUpInput& input, int64_t rows, const InputSource& source, int64_t& left) {
  if (input.dims.size() > limits::kMaxTensorRank) {
    return source.findings.Error(source.positions.Of("dims"),
                                 "dims of model_warmup's input {} has {} sizes; expected at most {}",
                                 base::JsonQuote(input.name), input.dims.size(), limits::kMaxTensorRank);
  }
  for (size_t i = 0; i < input.dims.size(); ++i) {
    if (input.dims[i] >= 1) continue;
    return source.findings.Error(source.positions.Of("dims", static_cast<int>(i)),
                                 "dims of model_warmup's input {} has the size {}; expected 1 or more",
                                 base::JsonQuote(input.name), input.dims[i]);
  }
  // Of text, the lengths of its elements at the least.
  const tensor::DType type = input.dtype == tensor::DType::kBytes ? tensor::DType::kUint32 : input.dtype;
  const absl::StatusOr<int64_t> bytes = tensor::ByteCount(type, input.dims);
  const int64_t all_rows = std::max<int64_t>(rows, 1);
  if (bytes.ok() && *bytes <= left / all_rows) {
    left -= *bytes * all_rows;
    return;
  }
  source.findings.Error(source.positions.Of("dims"),
                        "model_warmup's input {} is {} in {} rows; expected at most {} bytes in all inputs",
                        base::JsonQuote(input.name), tensor::ToString(input.dims), rows, limits::kMaxGeneratedBytes);
}

void ReadData(const InputSource& source, WarmUpInput& input) {
  const inference::ModelWarmup::Input& message = source.message;
  switch (message.input_data_type_case()) {
    case inference::ModelWarmup::Input::kZeroData:
      input.data = WarmUpInput::Data::kZero;
      return;
    case inference::ModelWarmup::Input::kRandomData:
      input.data = WarmUpInput::Data::kRandom;
      return;
    case inference::ModelWarmup::Input::kInputDataFile:
      input.data = WarmUpInput::Data::kFile;
      input.file = message.input_data_file();
      CheckFileName("model_warmup.inputs.input_data_file", input.file, source.positions.Of("input_data_file"),
                    source.findings);
      return;
    default:
      source.findings.Error(source.positions.at(),
                            "model_warmup's input {} has no values; expected zero_data, random_data or input_data_file",
                            base::JsonQuote(input.name));
  }
}

WarmUpInput ReadInput(const std::string& name, int64_t rows, const std::vector<TensorConfig>& declared,
                      const InputSource& source, int64_t& left) {
  WarmUpInput input;
  input.name = name;
  input.dtype = ToDType(source.message.data_type());
  input.dims.assign(source.message.dims().begin(), source.message.dims().end());
  ReadData(source, input);
  if (input.dtype == tensor::DType::kInvalid) {
    source.findings.Error(source.positions.Of("data_type"),
                          "data_type of model_warmup's input {} is {}; expected one, such as TYPE_FP32",
                          base::JsonQuote(name), inference::DataType_Name(source.message.data_type()));
    return input;
  }
  CheckSizes(input, rows, source, left);
  if (!declared.empty()) CheckAgainst(declared, input, source);
  return input;
}

// Whether the entry asks for anything.
bool ReadSizes(const WarmUpSource& source, int64_t max_batch_size, WarmUp& warm_up) {
  warm_up.name = source.message.name();
  warm_up.batch_size = source.message.batch_size();
  warm_up.count = std::max<uint32_t>(source.message.count(), 1);
  if (warm_up.batch_size == 0) {
    source.findings.Warn(source.positions.at(), "model_warmup {} has no effect: its batch_size is 0",
                         base::JsonQuote(warm_up.name));
    return false;
  }
  if (warm_up.batch_size > std::max<int64_t>(max_batch_size, 1)) {
    source.findings.Error(
        source.positions.Of("batch_size"), "model_warmup.batch_size is {}; expected {}", warm_up.batch_size,
        max_batch_size > 0 ? fmt::format("1 to {} (max_batch_size)", max_batch_size) : "1, as max_batch_size is 0");
  }
  if (source.message.count() > kMaxWarmUpRuns) {
    source.findings.Error(source.positions.Of("count"), "model_warmup.count is {}; expected at most {}",
                          source.message.count(), kMaxWarmUpRuns);
  }
  return true;
}

WarmUp ReadWarmUp(const WarmUpSource& source, const ModelConfig& config, bool& is_run) {
  WarmUp warm_up;
  is_run = ReadSizes(source, config.max_batch_size, warm_up);
  std::set<std::string> given;
  bool is_known = true;  // each of them; what is missing then went by another name
  int index = 0;
  int64_t left = limits::kMaxGeneratedBytes;
  for (const MapKey& key : MapKeys(source.message, "inputs", source.positions)) {
    const TextPositions& positions = source.positions.In("inputs", index++).In("value");
    if (!given.insert(key.key).second) continue;  // CheckWellFormed has warned of it
    const InputSource input{source.message.inputs().at(key.key), positions, source.findings};
    warm_up.inputs.push_back(ReadInput(key.key, warm_up.batch_size, config.inputs, input, left));
    is_known = is_known && std::ranges::find(config.inputs, key.key, &TensorConfig::name) != config.inputs.end();
  }
  if (!is_known) return warm_up;
  for (const TensorConfig& tensor : config.inputs) {
    if (tensor.is_optional || given.contains(tensor.name)) continue;
    source.findings.Error(source.positions.at(), "model_warmup {} has no input {}; expected one for each input",
                          base::JsonQuote(warm_up.name), base::JsonQuote(tensor.name));
  }
  return warm_up;
}

}  // namespace

void ReadWarmUps(const ConfigSource& source, ModelConfig& config) {
  for (int i = 0; i < source.message.model_warmup_size(); ++i) {
    bool is_run = false;
    WarmUp warm_up = ReadWarmUp(
        {source.message.model_warmup(i), source.positions.In("model_warmup", i), source.findings}, config, is_run);
    if (is_run) config.warm_ups.push_back(std::move(warm_up));
  }
}

}  // namespace torchferry::config
