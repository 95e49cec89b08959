// What is counted of one version of one model.
#pragma once

#include <cstdint>
#include <string>

#include "server/metrics/batch_record.h"
#include "server/metrics/model_totals.h"

namespace torchferry::metrics {

// Why a device that was asked for, or that `auto` had chosen, was not used.
struct Fallback {
  std::string from;
  std::string to;
  std::string reason;  // one of the names in tensor/fallback_reason.cc: "absent", "out_of_memory", "device_error"
};

// Thread-safe. Lives as long as the version does.
class ModelMetrics {
 public:
  virtual ~ModelMetrics() = default;

  // `code` is "OK", "INVALID_ARGUMENT", …; `device` is empty for a request that ended before it reached one.
  virtual void RequestDone(const std::string& device, const std::string& code, double seconds) = 0;
  virtual void QueueTime(double seconds) = 0;
  virtual void BatchDone(const BatchRecord& batch) = 0;
  virtual void QueueDepth(int64_t requests) = 0;
  virtual void InFlight(int64_t delta) = 0;
  virtual void OnFallback(const Fallback& fallback) = 0;

  virtual ModelTotals Totals() const = 0;
};

}  // namespace torchferry::metrics
