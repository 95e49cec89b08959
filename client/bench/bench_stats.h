// The results of one step of `bench`, added up answer by answer.
#pragma once

#include <absl/status/status.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "client/bench/latency_histogram.h"
#include "torchferry/v1/inference.pb.h"

namespace torchferry::client {

using BenchTime = std::chrono::steady_clock::time_point;

// The part of a step that counts: the time after its warm-up.
struct BenchWindow {
  BenchTime start;
  BenchTime end;

  bool Contains(BenchTime time) const { return time >= start && time < end; }
};

// The number of times that each text was added, in the order in which they were first added.
class TextCounts {
 public:
  void Add(std::string_view text, uint64_t count = 1);
  void Merge(const TextCounts& other);
  const std::vector<std::pair<std::string, uint64_t>>& counts() const { return counts_; }

 private:
  std::vector<std::pair<std::string, uint64_t>> counts_;  // few: devices and the like
};

// Sums of the Execution fields of all answers.
struct ServerSums {
  TextCounts devices;
  TextCounts fallback_reasons;
  uint64_t fallbacks = 0;
  double batch_rows = 0;
  double queue_seconds = 0;
  double compute_seconds = 0;
};

struct BenchError {
  absl::Status first;  // from the server (errors.h)
  BenchTime first_at;
  LatencyHistogram latencies;  // the time until each refusal

  uint64_t count() const { return latencies.count(); }
};

// Latencies and errors count each request that was due inside the window, however late its answer is. Throughput counts
// each answer that arrived inside the window, whenever its request was sent. Thus neither end of the window favours
// fast or slow answers. Not thread-safe.
class BenchStats {
 public:
  explicit BenchStats(BenchWindow window) : window_(window) {}

  void AddAnswer(BenchTime due, BenchTime answered, const v1::Execution& execution);
  // `error` returns the status. It is called for the first error of a code.
  template <typename MakeError>
  void AddError(BenchTime due, BenchTime now, absl::StatusCode code, MakeError error) {
    if (window_.Contains(due)) ErrorOf(code, now, error).latencies.Add(now - due);
  }
  // A request of an open loop was not sent, since too many were in flight.
  void AddNotSent(BenchTime due) { not_sent_ += window_.Contains(due); }
  // The delay between a request's due time and its sending, in an open loop. The client causes this delay.
  void AddSendDelay(BenchTime due, BenchTime sent);
  // Sets the window's true end when the step was cut short.
  void EndAt(BenchTime time);
  void Merge(const BenchStats& other);

  // The latencies of answers without an error.
  const LatencyHistogram& latencies() const { return latencies_; }
  const ServerSums& server() const { return server_; }
  uint64_t ok() const { return latencies_.count(); }
  uint64_t failed() const;
  uint64_t not_sent() const { return not_sent_; }
  // One entry for each code, in the order of their first errors.
  const std::vector<BenchError>& errors() const { return errors_; }
  const LatencyHistogram& send_delays() const { return send_delays_; }
  double Seconds() const;  // of the window
  double AnswersPerSecond() const;

 private:
  template <typename MakeError>
  BenchError& ErrorOf(absl::StatusCode code, BenchTime now, MakeError make) {
    for (BenchError& error : errors_) {
      if (error.first.code() == code) return error;
    }
    return errors_.emplace_back(BenchError{make(), now, {}});
  }

  BenchWindow window_;
  LatencyHistogram latencies_;
  LatencyHistogram send_delays_;
  ServerSums server_;
  std::vector<BenchError> errors_;
  uint64_t answered_inside_ = 0;
  uint64_t not_sent_ = 0;
};

}  // namespace torchferry::client
