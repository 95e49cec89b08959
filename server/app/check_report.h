// The report of `torchferry-server --check` on each version. Pure.
#pragma once

#include <absl/status/status.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "server/model/loaded_model.h"
#include "server/plan/load_plan.h"
#include "server/tensor/device_id.h"

namespace torchferry::app {

enum class Prospect : uint8_t {
  kServes,
  kRefusesRows,  // it loads, but the model raised on a row that it should accept
  kFails,        // FAILED, as `error` says
  kLeftOut,      // a server with these flags does not load it at the start
};

// The result of the first row that a version runs before it would serve: model_warmup's, an example's or a generated
// one.
enum class FirstRow : uint8_t {
  kNone,  // no row was run: an input is not declared in full, or any value might be a wrong one
  kRan,
  kRefused,       // the model raised, and will raise on requests like it
  kGuessRefused,  // the model raised, but the row's sizes were a guess
};

// The result for one version.
struct CheckedVersion {
  std::string model;
  int64_t version = 0;  // 0: its folder has no version, or cannot be read
  Prospect prospect = Prospect::kFails;
  absl::Status error;   // with kFails
  std::string why_out;  // with kLeftOut

  // These are set for versions that would be served.
  std::string file;  // path in the store
  std::string device;
  std::string format;
  std::string precision;
  std::string fallback;         // "from cuda:0: absent"; empty: no fallback
  std::string memory;           // that loading takes; empty: unknown
  std::optional<FirstRow> row;  // nullopt: the version was not loaded
  double row_seconds = 0;
  std::string left_to_load;  // facts that only loading finds out; empty: no such facts, or it was loaded
  std::vector<std::string> decisions;
  std::vector<std::string> warnings;
};

CheckedVersion Planned(const std::string& model, int64_t version, const std::string& file, const plan::LoadPlan& plan);
CheckedVersion Loaded(const std::string& model, int64_t version, const tensor::DeviceId& device,
                      const model::ModelInfo& info);
CheckedVersion Failed(const std::string& model, int64_t version, const absl::Status& error);
CheckedVersion LeftOut(const std::string& model, int64_t version, const std::string& why);

// 0 when at least one version would be served, and every version that is not left out; else 1.
int ExitCodeOf(const std::vector<CheckedVersion>& versions);

// A table with a line for each version, then details of each version that is not left out, and last a count.
std::string CheckText(const std::vector<CheckedVersion>& versions);

}  // namespace torchferry::app
