#include "server/torch/load/tuning_report.h"

#include "server/base/status.h"

namespace torchferry::libtorch {
namespace {

// "1 row", "2 rows"
std::string Counted(int64_t count, const char* what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

// "; one row alone: frozen, 2 intra-op threads: 24.1 ms instead of 41.6 ms"
std::string TextOf(const model::LatencyInfo& latency) {
  return fmt::format("; {} alone: {}, {}: {:.3g} ms instead of {:.3g} ms",
                     latency.max_rows == 1 ? "one row" : "one or two rows", latency.variant,
                     Counted(latency.intra_op_threads, "intra-op thread"), 1e3 * latency.seconds,
                     1e3 * latency.throughput_seconds);
}

std::string TextOf(const model::TuningInfo& tuning) {
  return fmt::format("{}, {}, batches of up to {}: {:.1f} rows/s; {:.1f} {}{}", tuning.variant,
                     Counted(tuning.intra_op_threads, "intra-op thread"), Counted(tuning.batch_rows, "row"),
                     tuning.rows_per_second, tuning.baseline_rows_per_second, tuning.baseline,
                     tuning.latency.has_value() ? TextOf(*tuning.latency) : "");
}

// ", until the budget of 10 s had passed"; nothing for 0.
std::string Until(double budget_seconds) {
  return budget_seconds == 0 ? "" : fmt::format(", until optimize_budget_seconds, {:g}, had passed", budget_seconds);
}

std::string WhyNotFinal(const plan::TuningRecord& record) {
  if (record.is_final) return "";
  return fmt::format("; not final, as {}: the search goes on while the server is idle",
                     record.budget_seconds > 0 ? "the time was over" : "other work took processors from it");
}

std::string Judged(const plan::TuningResult& result, const plan::TuningSpace& space) {
  return fmt::format("{} of {} ways judged, {} measured", result.judged, space.size(), result.tried);
}

}  // namespace

plan::TuningRecord RecordOf(const plan::TuningResult& result, double budget_seconds, double deviation) {
  return {.best = result.best,
          .rows_per_second = result.rows_per_second,
          .simplest_rows_per_second = result.simplest_rows_per_second,
          .budget_seconds = result.is_complete ? 0 : budget_seconds,
          .deviation = deviation,
          .is_final = result.is_complete && !result.is_disturbed,
          .latency = result.latency};
}

model::TuningInfo InfoOf(const plan::TuningRecord& record, const plan::TuningSpace& space, bool is_kept) {
  model::TuningInfo info{.variant = record.best.variant,
                         .intra_op_threads = record.best.threads,
                         .batch_rows = record.best.rows,
                         .rows_per_second = record.rows_per_second,
                         .baseline = space.variants.front(),
                         .baseline_rows_per_second = record.simplest_rows_per_second,
                         .deviation = record.deviation,
                         .is_kept = is_kept,
                         .is_final = record.is_final};
  if (record.latency.has_value()) {
    info.latency = model::LatencyInfo{.variant = record.latency->variant,
                                      .intra_op_threads = record.latency->threads,
                                      .max_rows = record.latency->max_rows,
                                      .seconds = record.latency->seconds,
                                      .throughput_seconds = record.latency->throughput_seconds};
  }
  return info;
}

std::string TextOfSearch(const plan::TuningResult& result, const plan::TuningRecord& record,
                         const plan::TuningSpace& space, double seconds, const std::vector<std::string>& refused) {
  return fmt::format("tuned in {:.1f} s, {}{}: {}{}{}", seconds, Judged(result, space), Until(record.budget_seconds),
                     TextOf(InfoOf(record, space, false)), WhyNotFinal(record),
                     refused.empty() ? "" : fmt::format("; left out: {}", fmt::join(refused, ", ")));
}

std::string TextOfKept(const plan::TuningRecord& record, const plan::TuningSpace& space) {
  return fmt::format("tuned before{}: {}{}", Until(record.budget_seconds), TextOf(InfoOf(record, space, true)),
                     WhyNotFinal(record));
}

std::string TextOfRefined(const plan::TuningResult& result, const plan::TuningRecord& record,
                          const plan::TuningSpace& space) {
  return fmt::format("tuned on while the server was idle, {}: {}{}", Judged(result, space),
                     TextOf(InfoOf(record, space, false)),
                     record.is_final ? "" : "; not final, as looks at it do not agree: the next start looks again");
}

}  // namespace torchferry::libtorch
