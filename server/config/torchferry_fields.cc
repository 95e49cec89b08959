// torchferry { … }: device, fallback, precision and what a bare state_dict needs.
#include <absl/strings/ascii.h>
#include <absl/strings/str_split.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "server/base/json.h"
#include "server/config/map_keys.h"
#include "server/config/sections.h"
#include "server/tensor/device_id.h"

namespace torchferry::config {
namespace {

constexpr double kMaxBudgetSeconds = 3600;

using TorchferrySource = Source<inference::TorchferryConfig>;

// A device by type and index. Which types exist is not known here, but "gpu" is a slip that would
// end on the CPU.
bool IsDevice(std::string_view text) {
  const absl::StatusOr<tensor::DeviceId> device = tensor::ParseDeviceId(text);
  return device.ok() && device->type != "gpu" && device->type != "auto" && device->type != "saved";
}

void CheckDevice(const TorchferrySource& source) {
  const std::string& device = source.message.device();
  if (device.empty() || device == "auto" || device == "saved" || IsDevice(device)) return;
  source.findings.Error(source.positions.Of("device"),
                        "torchferry.device is {}; expected auto, cpu, cuda, cuda:N or saved", base::JsonQuote(device));
}

void ReadMapLocation(const TorchferrySource& source, ModelConfig& config) {
  for (const auto& [from, to] : source.message.map_location()) config.map_location[from] = to;
  for (const MapKey& from : MapKeys(source.message, "map_location", source.positions)) {
    for (const std::string& device : {from.key, config.map_location[from.key]}) {
      if (IsDevice(device)) continue;
      source.findings.Error(from.at, "torchferry.map_location has {}; expected cpu, cuda or cuda:N as key and value",
                            base::JsonQuote(device));
    }
  }
  const std::string& device = source.message.device();
  if (!config.map_location.empty() && !device.empty() && device != "saved") {
    source.findings.Warn(source.positions.Of("map_location"),
                         "torchferry.map_location has no effect: it says where \"saved\" devices are, and "
                         "device is {}",
                         base::JsonQuote(device));
  }
}

FallbackPolicy ToFallback(inference::TorchferryConfig::Fallback fallback) {
  return fallback == inference::TorchferryConfig::NONE ? FallbackPolicy::kNone : FallbackPolicy::kCpu;
}

Precision ToPrecision(inference::TorchferryConfig::Precision precision) {
  switch (precision) {
    case inference::TorchferryConfig::KEEP:
      return Precision::kKeep;
    case inference::TorchferryConfig::FP32:
      return Precision::kFp32;
    case inference::TorchferryConfig::FP16:
      return Precision::kFp16;
    case inference::TorchferryConfig::BF16:
      return Precision::kBf16;
    default:
      return Precision::kAuto;
  }
}

ParityPolicy ToParity(inference::TorchferryConfig::Parity parity) {
  switch (parity) {
    case inference::TorchferryConfig::WARN:
      return ParityPolicy::kWarn;
    case inference::TorchferryConfig::OFF:
      return ParityPolicy::kOff;
    default:
      return ParityPolicy::kRefuse;
  }
}

StateDictConfig ReadStateDict(const TorchferrySource& source) {
  const inference::TorchferryConfig::StateDict& message = source.message.state_dict();
  StateDictConfig state_dict;
  state_dict.is_declared = source.message.has_state_dict();
  state_dict.architecture = message.architecture();
  CheckFileName("torchferry.state_dict.architecture", state_dict.architecture,
                source.positions.In("state_dict").Of("architecture"), source.findings);
  state_dict.key = message.key();
  if (message.has_strict()) state_dict.strict = message.strict();
  if (message.has_strip_prefix()) state_dict.strip_prefix = message.strip_prefix();
  return state_dict;
}

OptimizeConfig ReadOptimize(const TorchferrySource& source) {
  OptimizeConfig optimize;
  const std::string& text = source.message.optimize();
  if (text == "AUTO") optimize.mode = OptimizeConfig::Mode::kAuto;
  if (text == "OFF") optimize.mode = OptimizeConfig::Mode::kOff;
  if (!text.empty() && optimize.mode == OptimizeConfig::Mode::kServer) {
    optimize.mode = OptimizeConfig::Mode::kList;
    const std::vector<std::string> parts = absl::StrSplit(text, ',');
    for (const std::string& part : parts) {
      const std::string name(absl::StripAsciiWhitespace(part));
      const bool is_known = std::ranges::find(TuningVariants(), name) != TuningVariants().end();
      if (!is_known || std::ranges::find(optimize.variants, name) != optimize.variants.end()) {
        source.findings.Error(
            source.positions.Of("optimize"),
            "torchferry.optimize is {}, where {} is {}; expected AUTO, OFF, or some of {} with commas between them",
            base::JsonQuote(text), base::JsonQuote(name), is_known ? "named twice" : "unknown",
            fmt::join(TuningVariants(), ", "));
        return optimize;
      }
      optimize.variants.push_back(name);
    }
  }
  if (!source.message.has_optimize_budget_seconds()) return optimize;
  const double budget = source.message.optimize_budget_seconds();
  optimize.budget_seconds = budget;
  if (!(budget >= 0 && budget <= kMaxBudgetSeconds)) {
    source.findings.Error(source.positions.Of("optimize_budget_seconds"),
                          "torchferry.optimize_budget_seconds is {}; expected seconds, 0 to {}", budget,
                          kMaxBudgetSeconds);
  }
  return optimize;
}

// A method's name is a name of the language.
std::string ReadMethod(const TorchferrySource& source) {
  constexpr size_t kMaxBytes = 256;
  const std::string& name = source.message.method();
  const bool is_name = std::ranges::all_of(name, [](char c) { return absl::ascii_isalnum(c) || c == '_'; }) &&
                       (name.empty() || !absl::ascii_isdigit(name.front())) && name.size() <= kMaxBytes;
  if (!is_name) {
    source.findings.Error(source.positions.Of("method"),
                          "torchferry.method is {}; expected a method's name of up to {} letters, digits and _",
                          base::JsonQuote(name), kMaxBytes);
  }
  return name;
}

// A program's name is whatever Python was given.
std::string ReadProgram(const TorchferrySource& source) {
  constexpr size_t kMaxBytes = 256;
  const std::string& name = source.message.program();
  if (name.size() > kMaxBytes) {
    source.findings.Error(source.positions.Of("program"),
                          "torchferry.program has {} bytes; expected the name of a program in the archive, at most {}",
                          name.size(), kMaxBytes);
  }
  return name;
}

}  // namespace

const std::vector<std::string>& TuningVariants() {
  static const auto* const variants = new std::vector<std::string>{
      "plain", "frozen", "inference", "channels_last", "bf16_weights", "bf16_channels_last"};
  return *variants;
}

void ReadTorchferry(const ConfigSource& source, ModelConfig& config) {
  if (!source.message.has_torchferry()) return;
  const TorchferrySource own{source.message.torchferry(), source.positions.In("torchferry"), source.findings};
  CheckDevice(own);
  config.device = own.message.device();
  config.fallback = ToFallback(own.message.fallback());
  if (own.message.has_fallback_warm()) config.fallback_warm = own.message.fallback_warm();
  if (config.fallback_warm.value_or(false) && config.fallback == FallbackPolicy::kNone) {
    own.findings.Error(
        own.positions.Of("fallback_warm"),
        "torchferry.fallback_warm is true and fallback is NONE; expected fallback: CPU, or no fallback_warm");
  }
  config.precision = ToPrecision(own.message.precision());
  config.parity = ToParity(own.message.parity());
  ReadMapLocation(own, config);
  config.state_dict = ReadStateDict(own);
  config.optimize = ReadOptimize(own);
  if (own.message.has_stateful()) config.stateful = own.message.stateful();
  config.method = ReadMethod(own);
  config.program = ReadProgram(own);
}

}  // namespace torchferry::config
