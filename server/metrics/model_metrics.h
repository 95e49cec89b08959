// The figures that are counted for one version of one model.
#pragma once

#include <cstdint>
#include <string>

#include "server/metrics/batch_record.h"
#include "server/metrics/model_totals.h"

namespace torchferry::metrics {

// A device that was asked for, or that `auto` had chosen, was not used, for `reason`.
struct Fallback {
  std::string from;
  std::string to;
  std::string reason;  // one of the names in tensor/fallback_reason.cc: "absent", "out_of_memory", "device_error"
};

// Thread-safe. Lives while the version does.
class ModelMetrics {
 public:
  virtual ~ModelMetrics() = default;

  // `code` is "OK", "INVALID_ARGUMENT", …; `device` is empty for a request that ended before it reached a device.
  virtual void RequestDone(const std::string& device, const std::string& code, double seconds) = 0;
  virtual void QueueTime(double seconds) = 0;
  virtual void BatchDone(const BatchRecord& batch) = 0;
  virtual void QueueDepth(int64_t requests) = 0;
  virtual void InFlight(int64_t delta) = 0;
  virtual void OnFallback(const Fallback& fallback) = 0;

  virtual ModelTotals Totals() const = 0;
};

}  // namespace torchferry::metrics
