#include "server/metrics/model_totals.h"

#include <cstddef>

namespace torchferry::metrics {
namespace {

// Clients choose the rows.
constexpr size_t kMaxSizes = 1024;
constexpr int64_t kFurtherSizes = 0;

void Add(double seconds, uint64_t times, ModelTotals::Sum& sum) {
  sum.count += times;
  sum.seconds += seconds * static_cast<double>(times);
}

void AddPhases(const BatchRecord& batch, uint64_t times, ModelTotals::Phases& phases) {
  Add(batch.input_seconds, times, phases.input);
  Add(batch.infer_seconds, times, phases.infer);
  Add(batch.output_seconds, times, phases.output);
}

}  // namespace

void ModelTotals::AddSuccess(double seconds, int64_t unix_milliseconds) {
  Add(seconds, 1, success);
  last_unix_milliseconds = unix_milliseconds;
}

void ModelTotals::AddFailure(double seconds) { Add(seconds, 1, fail); }

void ModelTotals::AddBatch(const BatchRecord& batch) {
  if (!batch.is_answered) return;
  const auto requests = static_cast<uint64_t>(batch.requests);
  queue.count += requests;
  queue.seconds += batch.queue_seconds;
  AddPhases(batch, requests, compute);
  const bool is_counted_apart = batches.size() < kMaxSizes || batches.contains(batch.rows);
  AddPhases(batch, 1, batches[is_counted_apart ? batch.rows : kFurtherSizes]);
  rows += static_cast<uint64_t>(batch.rows);
  ++executions;
}

}  // namespace torchferry::metrics
