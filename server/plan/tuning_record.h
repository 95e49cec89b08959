// The result of a search for the fastest way to run a model. It is stored beside the model for the next start.
#pragma once

#include <absl/status/status.h>

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "server/plan/tuning_verdict.h"

namespace torchferry::plan {

// The file's name in a version's folder. A name with a leading point is no model and no change of the version.
inline constexpr char kTuningRecordName[] = ".torchferry-tuning.json";

// All facts that a result depends on, by name: the files' hashes, processor or GPU, LibTorch's version and so on.
using TuningKey = std::map<std::string, std::string>;

struct TuningRecord {
  TuningPoint best;
  double rows_per_second = 0;
  double simplest_rows_per_second = 0;
  double budget_seconds = 0;  // time limit that ended the search; 0: it was complete
  double deviation = 0;       // difference from the model as it was saved, relative to an output's largest magnitude
  // False: the search was cut short or disturbed, or a release that sought no latency point made it. The record is
  // used, and the search goes on from there.
  bool is_final = false;
  std::optional<TuningLatency> latency = std::nullopt;  // nothing: small batches run like all others
};

// Reads the record with this key from the file at `path`. Nothing when there is no such record or file. Nothing also
// for a link, a file over 1 MiB, or one nested deeper than records are. The search then starts again.
std::optional<TuningRecord> ReadTuningRecord(const std::string& path, const TuningKey& key);

// The same for a file's text.
std::optional<TuningRecord> FindTuningRecord(std::string_view text, const TuningKey& key);

// Writes the record into `path`, by base/replace_file.h, and replaces the one with the same key. Records of other hosts
// that share the store stay; the file keeps the newest 16. UNAVAILABLE when it cannot be written: the store may be
// read-only.
absl::Status WriteTuningRecord(const std::string& path, const TuningKey& key, const TuningRecord& record);

}  // namespace torchferry::plan
