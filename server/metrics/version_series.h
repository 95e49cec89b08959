// A ModelMetrics that counts in the families of Prometheus. Only this layer includes it.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "server/base/mutex.h"
#include "server/metrics/families.h"
#include "server/metrics/model_metrics.h"

namespace torchferry::metrics {

// Finding a series in a family takes the family's lock, so series that do not depend on the request are found once.
// Several objects may count in the same series: a version that ends, and the same version loaded again.
class VersionSeries final : public ModelMetrics {
 public:
  // Called when this object ends, before it releases its series.
  using OnEnd = std::function<void(VersionSeries&)>;

  VersionSeries(Families& families, std::string model, int64_t version, OnEnd on_end);
  ~VersionSeries() override { on_end_(*this); }

  void RequestDone(const std::string& device, const std::string& code, double seconds) override;
  void QueueTime(double seconds) override { queue_duration_.Observe(seconds); }
  void BatchDone(const BatchRecord& batch) override;
  void QueueDepth(int64_t requests) override { queue_depth_.Set(static_cast<double>(requests)); }
  void InFlight(int64_t delta) override { in_flight_.Increment(static_cast<double>(delta)); }
  void OnFallback(const Fallback& fallback) override;
  ModelTotals Totals() const override;

  // One histogram for each device that a batch ran on.
  std::set<prometheus::Histogram*> compute_durations() const;
  // Removes this object's gauges and histograms, and `compute_durations`, which other objects may have added. Counters
  // stay. No object may count in these series any more.
  void RemoveSeries(const std::set<prometheus::Histogram*>& compute_durations);

 private:
  struct OfDevice {
    std::string device;
    prometheus::Histogram* compute_duration;
    prometheus::Counter* busy;
  };
  struct OfOutcome {
    std::string device;
    std::string code;
    prometheus::Counter* requests;
  };

  const OfDevice& Device(const std::string& name) FERRY_REQUIRES(mutex_);
  prometheus::Counter& Requests(const std::string& device, const std::string& code) FERRY_REQUIRES(mutex_);

  Families& families_;
  const std::string model_;
  const prometheus::Labels labels_;
  const OnEnd on_end_;
  prometheus::Histogram& request_duration_;
  prometheus::Histogram& queue_duration_;
  prometheus::Histogram& batch_rows_;
  prometheus::Gauge& queue_depth_;
  prometheus::Gauge& in_flight_;

  mutable base::Mutex mutex_;
  ModelTotals totals_ FERRY_GUARDED_BY(mutex_);
  std::vector<OfDevice> devices_ FERRY_GUARDED_BY(mutex_);
  std::vector<OfOutcome> outcomes_ FERRY_GUARDED_BY(mutex_);
};

}  // namespace torchferry::metrics
