// Log lines about models and versions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "server/registry/store_scanner.h"
#include "server/serving/servable.h"

namespace torchferry::registry {

// Warnings about a folder's configuration for its owner, a sentence each. Empty where the configuration cannot be read.
// Pure.
std::vector<std::string> ConfigWarnings(const ModelFolder& folder);

// Logs warnings: for entries that are not a version, and for the configuration.
void LogFolder(const ModelFolder& folder);

// Logs that a folder of the store is not a model.
void LogNoModel(const ModelFolder& folder);

// Logs that a version, or with 0 a model's folder, does not serve.
void LogFailed(const std::string& model, int64_t version, const absl::Status& why);

// Logs that a version, or with 0 a model's configuration, could not be loaded anew.
void LogNotReloaded(const std::string& model, int64_t version, const absl::Status& why);

// Logs the device of a version and the reason for it, and the facts about its file.
void LogReady(const std::string& model, int64_t version, const serving::Servable& servable, double seconds);

}  // namespace torchferry::registry
