// What `torchferry-server --check` says of each version. Pure.
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
  kRefusesRows,  // it loads, and the model raised on a row that it should take
  kFails,        // FAILED, as `error` says
  kLeftOut,      // no server with these flags loads it at the start
};

// What came of the first row that a version ran with before it would serve: model_warmup's, an example's or a generated
// one.
enum class FirstRow : uint8_t {
  kNone,  // there is none: an input is not declared in full, or any value might be a wrong one
  kRan,
  kRefused,       // the model raised, and will with requests like it
  kGuessRefused,  // the model raised, but the row's sizes were a guess
};

// What came of one version.
struct CheckedVersion {
  std::string model;
  int64_t version = 0;  // 0: its folder has none, or cannot be read
  Prospect prospect = Prospect::kFails;
  absl::Status error;   // of kFails
  std::string why_out;  // of kLeftOut

  // Of those that would be served.
  std::string file;  // in the store
  std::string device;
  std::string format;
  std::string precision;
  std::string fallback;         // "from cuda:0: absent"; empty: it is none
  std::string memory;           // that loading takes; empty: not told
  std::optional<FirstRow> row;  // nothing: it was not loaded
  double row_seconds = 0;
  std::string left_to_load;  // what only loading tells; empty: nothing, or it was loaded
  std::vector<std::string> decisions;
  std::vector<std::string> warnings;
};

CheckedVersion Planned(const std::string& model, int64_t version, const std::string& file, const plan::LoadPlan& plan);
CheckedVersion Loaded(const std::string& model, int64_t version, const tensor::DeviceId& device,
                      const model::ModelInfo& info);
CheckedVersion Failed(const std::string& model, int64_t version, const absl::Status& error);
CheckedVersion LeftOut(const std::string& model, int64_t version, const std::string& why);

// 0 when some version would be served and each that is not left out; else 1.
int ExitCodeOf(const std::vector<CheckedVersion>& versions);

// A table with a line for each version, below it the sentences of each that is not left out, and last a count.
std::string CheckText(const std::vector<CheckedVersion>& versions);

}  // namespace torchferry::app
