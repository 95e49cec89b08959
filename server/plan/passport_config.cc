#include "server/plan/passport_config.h"

#include <algorithm>

#include "server/base/list_text.h"
#include "server/base/status.h"
#include "server/checkpoint/display.h"

namespace torchferry::plan {
namespace {

using checkpoint::Quoted;
using config::ModelConfig;
using config::TensorConfig;

constexpr size_t kMaxListedNames = 20;

template <typename... Args>
absl::Status Precondition(fmt::format_string<Args...> format, Args&&... args) {
  return base::MakeStatus(absl::StatusCode::kFailedPrecondition, format, std::forward<Args>(args)...);
}

bool DeclaresTensors(const ModelConfig& config) { return !config.inputs.empty() || !config.outputs.empty(); }

bool SaysRows(const ModelConfig& config) {
  return config.is_max_batch_size_given || config.max_batch_size > 0 || DeclaresTensors(config);
}

absl::Status CheckRows(const ModelConfig& config, const PassportSignature& passport, const SignatureSources& sources) {
  if (!SaysRows(config)) return absl::OkStatus();
  const int64_t own = config.max_batch_size;
  if ((own > 0) != (passport.max_batch_size > 0)) {
    return Precondition(
        "max_batch_size is {} in {} and {} in {}, so dims have another meaning: write max_batch_size: {}, or save the "
        "model again",
        own, sources.config, passport.max_batch_size, sources.passport, passport.max_batch_size);
  }
  if (own <= passport.max_batch_size) return absl::OkStatus();
  return Precondition(
      "max_batch_size is {} in {}, and {} allows {}: write max_batch_size: {} or less, or save the model for more rows",
      own, sources.config, sources.passport, passport.max_batch_size, passport.max_batch_size);
}

// A file cannot say no dimension: dims: [ 1 ] is one number.
bool AreEqual(const tensor::Shape& one, const tensor::Shape& other) {
  const tensor::Shape number = {1};
  if ((one.empty() && other == number) || (other.empty() && one == number)) return true;
  return std::ranges::equal(
      one, other, [](int64_t a, int64_t b) { return a == b || a == tensor::kAnyDim || b == tensor::kAnyDim; });
}

absl::Status CheckTensors(std::string_view what, const std::vector<TensorConfig>& declared,
                          const std::vector<PassportTensor>& saved, const SignatureSources& sources) {
  for (const TensorConfig& own : declared) {
    const auto found = std::ranges::find(saved, own.name, &PassportTensor::name);
    if (found == saved.end()) {
      const std::string names = base::ListText(
          saved, [](const PassportTensor& tensor) { return Quoted(tensor.name); }, kMaxListedNames);
      return Precondition(
          "{} {} is in {} and not in {}, which has {}: call it as one of these, or save the model again", what,
          Quoted(own.name), sources.config, sources.passport, names.empty() ? "none" : names);
    }
    if (own.dtype != tensor::DType::kInvalid && own.dtype != found->dtype) {
      return Precondition("{} {} is {} in {} and {} in {}: write TYPE_{}, or save the model again", what,
                          Quoted(own.name), Name(own.dtype), sources.config, Name(found->dtype), sources.passport,
                          found->dtype == tensor::DType::kBytes ? "STRING" : Name(found->dtype));
    }
    if (own.dtype == tensor::DType::kInvalid || AreEqual(own.dims, found->dims)) continue;
    return Precondition("{} {} has dims {} in {} and {} in {}: write dims: [ {} ], or save the model again", what,
                        Quoted(own.name), tensor::ToString(own.dims), sources.config, tensor::ToString(found->dims),
                        sources.passport, fmt::join(found->dims, ", "));
  }
  return absl::OkStatus();
}

std::vector<TensorConfig> Declared(const std::vector<PassportTensor>& saved) {
  std::vector<TensorConfig> declared;
  for (const PassportTensor& tensor : saved) {
    TensorConfig& own = declared.emplace_back();
    own.name = tensor.name;
    own.dtype = tensor.dtype;
    own.dims = tensor.dims;
  }
  return declared;
}

}  // namespace

absl::Status CheckAgainstPassport(const ModelConfig& config, const PassportSignature& passport,
                                  const SignatureSources& sources) {
  FERRY_RETURN_IF_ERROR(CheckRows(config, passport, sources));
  FERRY_RETURN_IF_ERROR(CheckTensors("input", config.inputs, passport.inputs, sources));
  return CheckTensors("output", config.outputs, passport.outputs, sources);
}

ModelConfig WithPassport(ModelConfig config, const PassportSignature& passport, std::string_view source,
                         std::vector<std::string>& decisions) {
  std::vector<std::string> taken;
  if (!SaysRows(config)) {
    config.max_batch_size = passport.max_batch_size;
    if (config.max_batch_size > 0 && !config.dynamic_batching.has_value()) config.dynamic_batching.emplace();
    taken.emplace_back("rows");
  }
  if (config.inputs.empty() && !passport.inputs.empty()) {
    config.inputs = Declared(passport.inputs);
    taken.emplace_back("inputs");
  }
  if (config.outputs.empty() && !passport.outputs.empty()) {
    config.outputs = Declared(passport.outputs);
    taken.emplace_back("outputs");
  }
  if (taken.empty()) return config;
  config.signature_source = source;
  decisions.push_back(fmt::format("{} are those of {}", fmt::join(taken, ", "), source));
  return config;
}

}  // namespace torchferry::plan
