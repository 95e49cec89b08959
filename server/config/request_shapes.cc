// torchferry.split_oversized and pad_to: requests that are of other sizes than a batch.
#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "server/base/json.h"
#include "server/base/list_text.h"
#include "server/config/map_keys.h"
#include "server/config/sections.h"
#include "server/tensor/request_limits.h"

namespace torchferry::config {
namespace {

using PadTo = inference::TorchferryConfig::PadTo;

const TensorConfig* FindTensor(const std::vector<TensorConfig>& tensors, std::string_view name) {
  const auto it = std::ranges::find(tensors, name, &TensorConfig::name);
  return it == tensors.end() ? nullptr : &*it;
}

size_t FreeSizes(const TensorConfig& tensor) {
  return static_cast<size_t>(std::ranges::count(tensor.dims, tensor::kAnyDim));
}

// Of the full shape, whose first dimension is the rows.
size_t FreeDimension(const TensorConfig& tensor) {
  return static_cast<size_t>(std::ranges::find(tensor.dims, tensor::kAnyDim) - tensor.dims.begin()) + 1;
}

// Adds what is read to `plan`; what is wrong goes to the findings.
class PadToReader {
 public:
  PadToReader(const Source<PadTo>& source, const ModelConfig& config) : source_(source), config_(config) {}

  tensor::PadPlan Read() {
    if (config_.max_batch_size == 0) {
      Error("torchferry.pad_to",
            "max_batch_size is 0; expected 1 or more, as it is there for requests to share a batch");
    }
    ReadSizes();
    ReadMask();
    ReadInputs();
    CheckValues();
    ReadOutputs();
    return std::move(plan_);
  }

 private:
  void Error(std::string_view what, std::string_view why) {
    source_.findings.Error(source_.positions.at(), "{}: {}", what, why);
  }

  void ReadSizes() {
    const auto& sizes = source_.message.sizes();
    plan_.sizes.assign(sizes.begin(), sizes.end());
    if (sizes.empty() || static_cast<size_t>(sizes.size()) > limits::kMaxPaddedSizes) {
      source_.findings.Error(source_.positions.Of("sizes"), "torchferry.pad_to has {} sizes; expected 1 to {}",
                             sizes.size(), limits::kMaxPaddedSizes);
    }
    for (int i = 0; i < sizes.size(); ++i) {
      const int64_t least = i == 0 ? 1 : sizes[i - 1] + 1;
      if (sizes[i] >= least && sizes[i] <= limits::kMaxPaddedSize) continue;
      source_.findings.Error(source_.positions.Of("sizes", i),
                             "torchferry.pad_to has the size {}; expected {} to {}, as sizes ascend", sizes[i], least,
                             limits::kMaxPaddedSize);
      return;
    }
  }

  void ReadMask() {
    const std::string& name = source_.message.mask();
    const TextPosition at = source_.positions.Of("mask");
    const TensorConfig* mask = FindTensor(config_.inputs, name);
    if (mask == nullptr) {
      return source_.findings.Error(
          at,
          "torchferry.pad_to.mask is {}; expected the input that tells the model which elements are real, one of {}",
          base::JsonQuote(name),
          base::ListText(config_.inputs, [](const TensorConfig& input) { return base::InQuotes(input.name); }));
    }
    if (FreeSizes(*mask) != 1 || mask->reshape.has_value()) {
      return source_.findings.Error(
          at,
          "the mask {} has dims {}; expected one free size, -1, the length of a request, and no "
          "reshape",
          base::JsonQuote(name), tensor::ToString(mask->dims));
    }
    const std::optional<std::vector<std::byte>> zero = tensor::ElementOf(mask->dtype, 0);
    const std::optional<std::vector<std::byte>> one = tensor::ElementOf(mask->dtype, 1);
    if (!zero.has_value() || !one.has_value()) return;  // its dtype is an error of its own
    plan_.mask = {.name = name, .dtype = mask->dtype, .dimension = FreeDimension(*mask), .fill = *zero};
    plan_.one = *one;
    plan_.mask_shape = mask->dims;
    plan_.mask_shape.insert(plan_.mask_shape.begin(), tensor::kAnyDim);
    if (std::ranges::any_of(mask->dims, [](int64_t size) { return size > 1; })) {
      source_.findings.Error(at, "the mask {} has dims {}; expected one free size, and 1 for each other",
                             base::JsonQuote(name), tensor::ToString(mask->dims));
    }
  }

  void ReadInputs() {
    for (const TensorConfig& input : config_.inputs) {
      if (input.name == source_.message.mask() || FreeSizes(input) == 0) continue;
      if (FreeSizes(input) > 1 || input.reshape.has_value()) {
        source_.findings.Error(
            source_.positions.at(),
            "torchferry.pad_to fills up one free size of an input, and {} has dims {}{}; expected one "
            "-1 and no reshape",
            base::JsonQuote(input.name), tensor::ToString(input.dims),
            input.reshape.has_value() ? " and a reshape" : "");
        continue;
      }
      const auto value = source_.message.values().find(input.name);
      const double number = value == source_.message.values().end() ? 0 : value->second;
      std::optional<std::vector<std::byte>> fill = tensor::ElementOf(input.dtype, number);
      if (!fill.has_value() && input.dtype != tensor::DType::kInvalid) {
        source_.findings.Error(source_.positions.Of("values"),
                               "torchferry.pad_to.values has {} for {}; expected a number that {} has", number,
                               base::JsonQuote(input.name), Name(input.dtype));
      }
      plan_.inputs.push_back({.name = input.name,
                              .dtype = input.dtype,
                              .dimension = FreeDimension(input),
                              .fill = std::move(fill).value_or(std::vector<std::byte>())});
    }
    if (plan_.inputs.empty()) {
      Error("torchferry.pad_to", "no input beside the mask has a free size; expected dims with one -1");
    }
  }

  void CheckValues() {
    for (const MapKey& value : MapKeys(source_.message, "values", source_.positions)) {
      if (std::ranges::find(plan_.inputs, value.key, &tensor::PadPlan::Input::name) != plan_.inputs.end()) continue;
      source_.findings.Error(
          value.at, "torchferry.pad_to.values names {}; expected an input that is filled up, one of {}",
          base::JsonQuote(value.key),
          base::ListText(plan_.inputs, [](const auto& input) { return base::InQuotes(input.name); }));
    }
  }

  void ReadOutputs() {
    if (config_.outputs.empty()) {
      Error("torchferry.pad_to",
            "no output is declared; expected them, with -1 where an output has the request's length");
    }
    for (const TensorConfig& output : config_.outputs) {
      if (FreeSizes(output) == 0) continue;
      if (FreeSizes(output) == 1 && !output.reshape.has_value()) {
        plan_.outputs.push_back({output.name, FreeDimension(output)});
        continue;
      }
      source_.findings.Error(
          source_.positions.at(),
          "torchferry.pad_to cuts one free size of an output to the request's length, and {} has dims "
          "{}{}; expected one -1 and no reshape",
          base::JsonQuote(output.name), tensor::ToString(output.dims),
          output.reshape.has_value() ? " and a reshape" : "");
    }
  }

  const Source<PadTo>& source_;
  const ModelConfig& config_;
  tensor::PadPlan plan_;
};

}  // namespace

void ReadRequestShapes(const ConfigSource& source, ModelConfig& config) {
  if (!source.message.has_torchferry()) return;
  const inference::TorchferryConfig& message = source.message.torchferry();
  const TextPositions& positions = source.positions.In("torchferry");
  config.split_oversized = message.split_oversized();
  if (config.split_oversized && config.max_batch_size == 0) {
    source.findings.Error(
        positions.Of("split_oversized"),
        "torchferry.split_oversized is true and max_batch_size is 0; expected 1 or more, the rows of a "
        "part");
  }
  if (!message.has_pad_to()) return;
  const Source<PadTo> pad_to{message.pad_to(), positions.In("pad_to"), source.findings};
  config.pad_to = PadToReader(pad_to, config).Read();
}

}  // namespace torchferry::config
