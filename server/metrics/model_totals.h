// The totals of one version since the server started, in numbers that add up to what its clients counted. They start
// from zero again after Metrics::ForgetModel.
#pragma once

#include <cstdint>
#include <map>

#include "server/metrics/batch_record.h"

namespace torchferry::metrics {

// A value; not thread-safe.
struct ModelTotals {
  struct Sum {
    uint64_t count = 0;
    double seconds = 0;
  };
  struct Phases {
    Sum input;
    Sum infer;
    Sum output;
  };
  Sum success;  // requests, from arrival to answer
  Sum fail;     // likewise; requests with INVALID_ARGUMENT do not count
  // Requests that a forward pass answered. Each counts the whole time of the pass that it shared.
  Sum queue;
  Phases compute;
  std::map<int64_t, Phases> batches;   // forward passes by their rows; those of more than 1,024 sizes under 0
  uint64_t rows = 0;                   // of all these passes
  uint64_t executions = 0;             // the number of these passes
  int64_t last_unix_milliseconds = 0;  // of the last answer; 0: there was none

  // A request was answered at `unix_milliseconds`, `seconds` after it arrived.
  void AddSuccess(double seconds, int64_t unix_milliseconds);
  void AddFailure(double seconds);
  // A forward pass has ended. It counts if it produced answers.
  void AddBatch(const BatchRecord& batch);
};

}  // namespace torchferry::metrics
