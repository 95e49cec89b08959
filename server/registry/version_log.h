// What the log says of models and versions.
#pragma once

#include <cstdint>
#include <string>

#include "server/registry/store_scanner.h"
#include "server/serving/servable.h"

namespace torchferry {

// Warnings: entries that are no version, and those of the configuration.
void LogFolder(const ModelFolder& folder);

// Where it runs and why, and what its file is.
void LogReady(const std::string& model, int64_t version, const Servable& servable, double seconds);

}  // namespace torchferry
