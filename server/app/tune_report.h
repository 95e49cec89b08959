// The report of `torchferry-server --tune` on each version. Pure.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "server/model/loaded_model.h"

namespace torchferry::app {

// The result for one version.
struct TunedVersion {
  std::string model;
  int64_t version = 0;  // 0: its folder has no version, or cannot be read
  absl::StatusOr<model::ModelInfo> info;
};

// Whether the version failed to load, or its result could not be kept. A version that its state forbids to tune has not
// failed.
bool HasFailed(const TunedVersion& version);

// A table with a heading and a line for each version. It shows how batches run and the rows a second, and the fastest
// way to run one row and its time. Last it says whether the result is final, or why there is no result.
std::string TuneTable(const std::vector<TunedVersion>& versions);

}  // namespace torchferry::app
