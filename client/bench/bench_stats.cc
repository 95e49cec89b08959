#include "client/bench/bench_stats.h"

#include <algorithm>

namespace torchferry::client {

void TextCounts::Add(std::string_view text, uint64_t count) {
  for (auto& [known, known_count] : counts_) {
    if (known != text) continue;
    known_count += count;
    return;
  }
  counts_.emplace_back(text, count);
}

void TextCounts::Merge(const TextCounts& other) {
  for (const auto& [text, count] : other.counts_) Add(text, count);
}

void BenchStats::AddAnswer(BenchTime due, BenchTime answered, const v1::Execution& execution) {
  answered_inside_ += window_.Contains(answered);
  if (!window_.Contains(due)) return;
  latencies_.Add(answered - due);
  server_.devices.Add(execution.device());
  server_.batch_rows += static_cast<double>(execution.batch_rows());
  server_.queue_seconds += execution.queue_seconds();
  server_.compute_seconds += execution.compute_seconds();
  if (!execution.fallback()) return;
  ++server_.fallbacks;
  server_.fallback_reasons.Add(execution.fallback_reason());
}

void BenchStats::AddSendDelay(BenchTime due, BenchTime sent) {
  if (window_.Contains(due)) send_delays_.Add(sent - due);
}

void BenchStats::EndAt(BenchTime time) { window_.end = std::clamp(time, window_.start, window_.end); }

void BenchStats::Merge(const BenchStats& other) {
  latencies_.Merge(other.latencies_);
  send_delays_.Merge(other.send_delays_);
  server_.devices.Merge(other.server_.devices);
  server_.fallback_reasons.Merge(other.server_.fallback_reasons);
  server_.fallbacks += other.server_.fallbacks;
  server_.batch_rows += other.server_.batch_rows;
  server_.queue_seconds += other.server_.queue_seconds;
  server_.compute_seconds += other.server_.compute_seconds;
  answered_inside_ += other.answered_inside_;
  not_sent_ += other.not_sent_;
  for (const BenchError& error : other.errors_) {
    BenchError& own = ErrorOf(error.first.code(), error.first_at, [&] { return error.first; });
    if (error.first_at < own.first_at) {
      own.first = error.first;
      own.first_at = error.first_at;
    }
    own.latencies.Merge(error.latencies);
  }
  std::ranges::sort(errors_, {}, &BenchError::first_at);
}

uint64_t BenchStats::failed() const {
  uint64_t count = 0;
  for (const BenchError& error : errors_) count += error.count();
  return count;
}

double BenchStats::Seconds() const { return std::chrono::duration<double>(window_.end - window_.start).count(); }

double BenchStats::AnswersPerSecond() const {
  const double seconds = Seconds();
  return seconds > 0 ? static_cast<double>(answered_inside_) / seconds : 0;
}

}  // namespace torchferry::client
