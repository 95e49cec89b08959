// What the log says of models and versions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "server/registry/store_scanner.h"
#include "server/serving/servable.h"

namespace torchferry::registry {

// What the owner of a folder should know of its configuration, a sentence each; none where that cannot be read. Pure.
std::vector<std::string> ConfigWarnings(const ModelFolder& folder);

// Warnings: entries that are no version, and those of the configuration.
void LogFolder(const ModelFolder& folder);

// A folder of the store that is no model.
void LogNoModel(const ModelFolder& folder);

// A version, or with 0 a model's folder, that does not serve.
void LogFailed(const std::string& model, int64_t version, const absl::Status& why);

// A version, or with 0 a model's configuration, that could not be loaded anew.
void LogNotReloaded(const std::string& model, int64_t version, const absl::Status& why);

// Where it runs and why, and what its file is.
void LogReady(const std::string& model, int64_t version, const serving::Servable& servable, double seconds);

}  // namespace torchferry::registry
