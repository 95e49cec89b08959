#include "server/registry/version_log.h"

#include <algorithm>

#include "server/base/logging.h"
#include "server/base/status.h"

namespace torchferry::registry {

std::vector<std::string> ConfigWarnings(const ModelFolder& folder) {
  std::vector<std::string> warnings;
  if (!folder.config.ok()) return warnings;
  for (const int64_t version : folder.config->version_policy.specific) {
    if (std::ranges::find(folder.versions, version) != folder.versions.end()) continue;
    warnings.push_back(fmt::format("version_policy names version {}, which is not in the store", version));
  }
  warnings.insert(warnings.end(), folder.config->warnings.begin(), folder.config->warnings.end());
  return warnings;
}

void LogFolder(const ModelFolder& folder) {
  for (const std::string& entry : folder.ignored) {
    base::LogWarning("folder ignored: a version is a positive integer", {{"model", folder.name}, {"folder", entry}});
  }
  for (const std::string& warning : ConfigWarnings(folder)) {
    base::LogWarning("configuration", {{"model", folder.name}, {"detail", warning}});
  }
}

void LogNoModel(const ModelFolder& folder) {
  base::LogWarning("folder ignored", {{"folder", folder.name}, {"reason", base::MessageOf(NoModel(folder))}});
}

void LogFailed(const std::string& model, int64_t version, const absl::Status& why) {
  base::LogError(
      "model failed",
      {{"model", model}, {"version", version}, {"code", base::CodeName(why.code())}, {"reason", base::MessageOf(why)}});
}

void LogNotReloaded(const std::string& model, int64_t version, const absl::Status& why) {
  base::LogError(
      "model not reloaded: what was loaded before goes on",
      {{"model", model}, {"version", version}, {"code", base::CodeName(why.code())}, {"reason", base::MessageOf(why)}});
}

void LogReady(const std::string& model, int64_t version, const serving::Servable& servable, double seconds) {
  const model::PlacedModel placement = servable.placement();
  const auto& placed = placement.model;
  const model::ModelInfo& info = placement.info;
  const std::string device = tensor::ToString(placed->device());
  if (info.fallback) {
    base::LogWarning("model fell back", {{"model", model},
                                         {"version", version},
                                         {"from", info.fallback_from},
                                         {"to", device},
                                         {"reason", Name(info.fallback_reason)}});
  }
  for (const std::string& warning : info.warnings) {
    base::LogWarning("model is not what it should be", {{"model", model}, {"version", version}, {"detail", warning}});
  }
  base::LogInfo("model ready", {{"model", model},
                                {"version", version},
                                {"device", device},
                                {"file", info.file_path},
                                {"format", info.format},
                                {"sha256", info.sha256 ? info.sha256() : ""},
                                {"producer", info.producer},
                                {"saved_devices", fmt::format("{}", fmt::join(info.saved_devices, ","))},
                                {"saved_dtypes", fmt::format("{}", fmt::join(info.saved_dtypes, ","))},
                                {"precision", info.precision},
                                {"decisions", fmt::format("{}", fmt::join(info.decisions, "; "))},
                                {"load_seconds", fmt::format("{:.3f}", seconds)}});
}

}  // namespace torchferry::registry
