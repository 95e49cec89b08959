// What a search for the fastest way to run a model has found, kept beside the model for the next start.
#pragma once

#include <absl/status/status.h>

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "server/plan/tuning_verdict.h"

namespace torchferry::plan {

// In a version's folder. A point in front: it is no model, and no change of the version.
inline constexpr char kTuningRecordName[] = ".torchferry-tuning.json";

// All that a result depends on, by what it is: the files' hashes, processor or GPU, LibTorch's version and so on.
using TuningKey = std::map<std::string, std::string>;

struct TuningRecord {
  TuningPoint best;
  double rows_per_second = 0;
  double simplest_rows_per_second = 0;
  double budget_seconds = 0;  // that ended the search; 0: it was complete
  double deviation = 0;       // from the model as it was saved, of an output's largest magnitude
  // False: the search was cut short or disturbed, or made by a release that sought no latency point. It is used, and
  // sought on from there.
  bool is_final = false;
  std::optional<TuningLatency> latency = std::nullopt;  // nothing: small batches run as all others do
};

// The one with this key in `path`. Nothing when there is none, or no such file, or one that is none of ours (a link,
// over 1 MiB, nested deeper than records are): it is then searched again.
std::optional<TuningRecord> ReadTuningRecord(const std::string& path, const TuningKey& key);

// The same of a file's text.
std::optional<TuningRecord> FindTuningRecord(std::string_view text, const TuningKey& key);

// Puts it into `path`, by base/replace_file.h, in the place of one with the same key. Those of other hosts that share
// the store stay, the newest 16. UNAVAILABLE when it cannot be written: the store may be mounted so that only reading
// is allowed.
absl::Status WriteTuningRecord(const std::string& path, const TuningKey& key, const TuningRecord& record);

}  // namespace torchferry::plan
