#include "server/rpc/predict/metrics_observer.h"

#include "server/base/refusal.h"
#include "server/base/status.h"

namespace torchferry::rpc {

void MetricsObserver::OnBegin(const PredictCall& call) {
  if (call.servable != nullptr) call.servable->metrics().InFlight(1);
}

void MetricsObserver::OnEnd(const PredictCall& call, const PredictEnd& end) {
  if (!call.is_admitted) return;
  if (const std::string limit = base::LimitOf(end.status); !limit.empty()) {
    metrics_.Refused(call.servable == nullptr ? "" : call.servable->name(), limit);
  }
  const std::string code = base::CodeName(end.status.code());
  const double seconds = base::ToSeconds(end.duration);
  if (call.servable == nullptr) return metrics_.UnknownModelRequest(code, seconds);
  metrics::ModelMetrics& metrics = call.servable->metrics();
  metrics.InFlight(-1);
  metrics.RequestDone(std::string(end.device), code, seconds);
}

void MetricsObserver::OnStreamRefused(const absl::Status& why) { metrics_.Refused("", base::LimitOf(why)); }

}  // namespace torchferry::rpc
