// Counts requests.
#pragma once

#include "server/metrics/metrics.h"
#include "server/rpc/predict/call_observer.h"

namespace torchferry::rpc {

// Requests count under the version that was found, or without a name where none was found. Requests that were not
// admitted do not count.
class MetricsObserver final : public CallObserver {
 public:
  explicit MetricsObserver(metrics::Metrics& metrics) : metrics_(metrics) {}

  void OnBegin(const PredictCall& call) override;
  void OnEnd(const PredictCall& call, const PredictEnd& end) override;
  void OnStreamRefused(const absl::Status& why) override;

 private:
  metrics::Metrics& metrics_;
};

}  // namespace torchferry::rpc
