#include "server/app/tune_report.h"

#include <algorithm>
#include <string_view>

#include "server/app/text_table.h"
#include "server/base/status.h"

namespace torchferry::app {
namespace {

using Line = std::vector<std::string>;

// As tuning says it: torch/load/tuning.cc.
constexpr std::string_view kNotTuned = "not tuned";
constexpr std::string_view kNotKept = "not kept";

// The decision that begins so; empty where there is none.
std::string DecisionOf(const model::ModelInfo& info, std::string_view beginning) {
  const auto found = std::ranges::find_if(info.decisions,
                                          [&](const std::string& decision) { return decision.starts_with(beginning); });
  return found == info.decisions.end() ? "" : *found;
}

std::string Way(const std::string& variant, int threads) {
  return fmt::format("{}, {} thread{}", variant, threads, threads == 1 ? "" : "s");
}

std::string ResultOf(const model::ModelInfo& info) {
  if (!info.tuning.has_value()) {
    const std::string why = DecisionOf(info, kNotTuned);
    return why.empty() ? "not tuned: config.pbtxt turns it off" : why;
  }
  std::string not_kept = DecisionOf(info, kNotKept);
  if (!not_kept.empty()) return not_kept;
  if (!info.tuning->is_final) return "kept, not final: the server goes on while it is idle";
  return info.tuning->is_kept ? "kept before, final" : "kept, final";
}

Line LineOf(const TunedVersion& version) {
  Line line{version.model, version.version == 0 ? "-" : std::to_string(version.version), "-", "-", "-", ""};
  if (!version.info.ok()) {
    line.back() = "failed: " + base::MessageOf(version.info.status());
    return line;
  }
  line.back() = ResultOf(*version.info);
  const std::optional<model::TuningInfo>& tuning = version.info->tuning;
  if (!tuning.has_value()) return line;
  line[2] = fmt::format("{}, {} row{}", Way(tuning->variant, tuning->intra_op_threads), tuning->batch_rows,
                        tuning->batch_rows == 1 ? "" : "s");
  line[3] = fmt::format("{:.1f}", tuning->rows_per_second);
  if (tuning->latency.has_value()) {
    line[4] = fmt::format("{}: {:.2f} ms", Way(tuning->latency->variant, tuning->latency->intra_op_threads),
                          tuning->latency->seconds * 1e3);
  }
  return line;
}

}  // namespace

bool HasFailed(const TunedVersion& version) {
  return !version.info.ok() || (version.info->tuning.has_value() && !DecisionOf(*version.info, kNotKept).empty());
}

std::string TuneTable(const std::vector<TunedVersion>& versions) {
  std::vector<Line> lines = {{"MODEL", "VERSION", "BATCHES", "ROWS/S", "ONE ROW", "RESULT"}};
  for (const TunedVersion& version : versions) lines.push_back(LineOf(version));
  return TextTable(lines);
}

}  // namespace torchferry::app
