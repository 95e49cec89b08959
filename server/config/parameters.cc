// parameters: free-form settings. Those of Triton's PyTorch backend are known here, so that its
// repositories load, and those of our own.
#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "server/base/json.h"
#include "server/config/load_parameters.h"
#include "server/config/map_keys.h"
#include "server/config/sections.h"

namespace torchferry::config {
namespace {

enum class ValueType { kBool, kCount };

struct KnownParameter {
  std::string_view key;
  ValueType type;
  std::string_view needless;  // the value that asks for what is done anyway; empty if there is none
  std::string_view reason;    // why any other has no effect
};

constexpr std::string_view kTuned = "the server chooses how the graph is executed";
constexpr std::string_view kThreads = "the server divides its threads among all models";

constexpr auto kKnown = std::to_array<KnownParameter>({
    {"INFERENCE_MODE", ValueType::kBool, "true", "models always run in inference mode"},
    {"ENABLE_WEIGHT_SHARING", ValueType::kBool, "true", "instances on a device always share the weights"},
    {"ENABLE_CACHE_CLEANING", ValueType::kBool, "false", "memory is given back when it runs short"},
    {"DISABLE_CUDNN", ValueType::kBool, "false", "cuDNN is used where it is there"},
    {"DISABLE_OPTIMIZED_EXECUTION", ValueType::kBool, "", kTuned},
    {"ENABLE_JIT_EXECUTOR", ValueType::kBool, "", kTuned},
    {"ENABLE_JIT_PROFILING", ValueType::kBool, "", kTuned},
    {"ENABLE_TENSOR_FUSER", ValueType::kBool, "", kTuned},
    {"ENABLE_NVFUSER", ValueType::kBool, "", kTuned},
    {"INTRA_OP_THREAD_COUNT", ValueType::kCount, "", kThreads},
    {"INTER_OP_THREAD_COUNT", ValueType::kCount, "", kThreads},
});

// "true" or "false" of what Triton takes for them; empty for anything else.
std::string_view AsBool(std::string value) {
  std::transform(value.begin(), value.end(), value.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (value == "true" || value == "1" || value == "on" || value == "yes") return "true";
  if (value == "false" || value == "0" || value == "off" || value == "no") return "false";
  return "";
}

bool IsCount(const std::string& value) {
  int count = 0;
  const char* end = value.data() + value.size();
  const auto [stop, error] = std::from_chars(value.data(), end, count);
  return error == std::errc() && stop == end && count >= 0;
}

// Ours.
struct SecondsParameter {
  std::string_view key;
  std::optional<double> ModelConfig::*field;
};

constexpr auto kSeconds = std::to_array<SecondsParameter>({
    {"forward_timeout_seconds", &ModelConfig::forward_timeout_seconds},
    {"load_timeout_seconds", &ModelConfig::load_timeout_seconds},
});

constexpr double kMaxSeconds = 86400;

std::optional<double> AsSeconds(const std::string& value) {
  double seconds = 0;
  const char* end = value.data() + value.size();
  const auto [stop, error] = std::from_chars(value.data(), end, seconds);
  const bool is_good = error == std::errc() && stop == end && seconds > 0 && seconds <= kMaxSeconds;
  return is_good ? std::optional(seconds) : std::nullopt;
}

void ReadSeconds(const SecondsParameter& known, const std::string& value, TextPosition at, Findings& findings,
                 ModelConfig& config) {
  config.*known.field = AsSeconds(value);
  if ((config.*known.field).has_value()) return;
  findings.Error(at, "parameter {} is {}; expected seconds, more than 0 and at most {} (a day)", known.key,
                 base::JsonQuote(value), kMaxSeconds);
}

void CheckCount(const CountParameter& known, const std::string& value, TextPosition at, Findings& findings) {
  if (AsCount(value).has_value()) return;
  findings.Error(at, "parameter {} is {}; expected a number from 0, which is no limit, to {}", known.key,
                 base::JsonQuote(value), kMaxLoadCount);
}

// Whether it is one of ours.
bool ReadOwn(const MapKey& parameter, const std::string& value, Findings& findings, ModelConfig& config) {
  const auto seconds = std::ranges::find(kSeconds, parameter.key, &SecondsParameter::key);
  if (seconds != kSeconds.end()) ReadSeconds(*seconds, value, parameter.at, findings, config);
  const auto count = std::ranges::find(kCountParameters, parameter.key, &CountParameter::key);
  if (count != kCountParameters.end()) CheckCount(*count, value, parameter.at, findings);
  return seconds != kSeconds.end() || count != kCountParameters.end();
}

void CheckKnown(const KnownParameter& known, const std::string& value, TextPosition at, Findings& findings) {
  if (known.type == ValueType::kCount && !IsCount(value)) {
    findings.Error(at, "parameter {} is {}; expected a number, 0 or more", known.key, base::JsonQuote(value));
  } else if (known.type == ValueType::kBool && AsBool(value).empty()) {
    findings.Error(at, "parameter {} is {}; expected \"true\" or \"false\"", known.key, base::JsonQuote(value));
  } else if (known.type == ValueType::kCount || AsBool(value) != known.needless) {
    findings.Warn(at, "parameter {} has no effect: {}", known.key, known.reason);
  }
}

}  // namespace

void ReadParameters(const ConfigSource& source, ModelConfig& config) {
  for (const auto& [key, parameter] : source.message.parameters()) {
    config.parameters[key] = parameter.string_value();
  }
  std::set<std::string> seen;
  for (const MapKey& parameter : MapKeys(source.message, "parameters", source.positions)) {
    if (!seen.insert(parameter.key).second) continue;
    if (ReadOwn(parameter, config.parameters[parameter.key], source.findings, config)) continue;
    const auto known =
        std::find_if(kKnown.begin(), kKnown.end(), [&](const KnownParameter& row) { return row.key == parameter.key; });
    if (known != kKnown.end()) {
      CheckKnown(*known, config.parameters[parameter.key], parameter.at, source.findings);
    } else {
      source.findings.Warn(parameter.at, "parameter {} has no effect: nothing here reads it",
                           base::JsonQuote(parameter.key));
    }
  }
}

}  // namespace torchferry::config
