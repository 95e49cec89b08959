// What `torchferry-server --tune` says of each version. Pure.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "server/model/loaded_model.h"

namespace torchferry::app {

// What came of one version.
struct TunedVersion {
  std::string model;
  int64_t version = 0;  // 0: its folder has none, or cannot be read
  absl::StatusOr<model::ModelInfo> info;
};

// One line. A version that needs no tuning, as its state forbids it, has not failed.
bool HasFailed(const TunedVersion& version);

// A table with a heading, a line for each version: how batches are run and how many rows a second that gives, how one
// row is run soonest and how long that takes, and whether this is final, or why there is nothing.
std::string TuneTable(const std::vector<TunedVersion>& versions);

}  // namespace torchferry::app
