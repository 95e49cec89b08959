#include "server/metrics/metrics.h"

#include <prometheus/text_serializer.h>

#include <algorithm>

#include "server/metrics/families.h"
#include "server/metrics/version_series.h"

namespace torchferry::metrics {
namespace {

// Adding a series that is there gives that one.
void RemoveIfThere(Families::Gauges& family, const prometheus::Labels& labels) {
  if (family.Has(labels)) family.Remove(&family.Add(labels));
}

}  // namespace

Metrics::Metrics()
    : registry_(std::make_unique<prometheus::Registry>()), families_(std::make_unique<Families>(*registry_)) {}

Metrics::~Metrics() {
  std::map<ModelVersion, std::shared_ptr<ModelMetrics>> models;  // outside the lock, which their ends take
  base::MutexLock lock(mutex_);
  models.swap(models_);
}

std::shared_ptr<ModelMetrics> Metrics::ForModel(const std::string& model, int64_t version) {
  const ModelVersion key = {model, version};
  base::MutexLock lock(mutex_);
  std::shared_ptr<ModelMetrics>& slot = models_[key];
  if (slot == nullptr) {
    slot = std::make_shared<VersionSeries>(*families_, model, version,
                                           [this, key](VersionSeries& series) { Leave(key, series); });
    ++users_[key].count;
  }
  return slot;
}

// Under the lock, as the next user of the same labels gets the same series.
void Metrics::Leave(const ModelVersion& key, VersionSeries& series) {
  base::MutexLock lock(mutex_);
  const auto found = users_.find(key);
  Users& users = found->second;
  users.compute_durations.merge(series.compute_durations());
  if (--users.count > 0) return;
  series.RemoveSeries(users.compute_durations);
  users_.erase(found);
}

void Metrics::UnknownModelRequest(const std::string& code, double seconds) {
  families_->requests.Add({{"model", ""}, {"version", ""}, {"device", ""}, {"code", code}}).Increment();
  families_->request_duration.Add({{"model", ""}, {"version", ""}}, kSecondsBuckets).Observe(seconds);
}

void Metrics::Refused(const std::string& model, const std::string& limit) {
  families_->refusals.Add({{"model", base::ToUtf8(model)}, {"limit", limit}}).Increment();
}

void Metrics::SetModelState(const std::string& model, int64_t version, const std::string& state,
                            const std::vector<std::string>& all_states) {
  const prometheus::Labels labels = VersionLabels(model, version);
  base::MutexLock lock(mutex_);
  for (const std::string& candidate : all_states) {
    families_->model_state.Add(With(labels, {{"state", candidate}})).Set(candidate == state ? 1 : 0);
  }
}

void Metrics::ForgetModel(const std::string& model, int64_t version, const std::vector<std::string>& all_states) {
  const prometheus::Labels labels = VersionLabels(model, version);
  std::shared_ptr<ModelMetrics> last;  // dropped without the lock
  base::MutexLock lock(mutex_);
  const auto found = models_.find({model, version});
  if (found != models_.end()) {
    last = std::move(found->second);
    models_.erase(found);
  }
  for (const std::string& state : all_states) RemoveIfThere(families_->model_state, With(labels, {{"state", state}}));
  RemoveIfThere(families_->load_duration, labels);
}

void Metrics::ModelLoaded(const std::string& model, int64_t version, double seconds) {
  base::MutexLock lock(mutex_);
  families_->load_duration.Add(VersionLabels(model, version)).Set(seconds);
}

void Metrics::ParityChecked(const std::string& model, const std::string& device, const std::string& precision,
                            const std::string& result) {
  families_->parity_checks
      .Add({{"model", base::ToUtf8(model)}, {"device", device}, {"precision", precision}, {"result", result}})
      .Increment();
}

void Metrics::SetDeviceUp(const std::string& device, bool up) {
  families_->device_up.Add({{"device", device}}).Set(up ? 1 : 0);
  families_->device_busy.Add({{"device", device}});  // from 0, so that a rate over it starts right
}

void Metrics::SetDeviceMemory(const std::string& device, const std::string& kind, double bytes) {
  families_->device_memory.Add({{"device", device}, {"kind", kind}}).Set(bytes);
}

void Metrics::CallRefused(const std::string& code) { families_->calls_refused.Add({{"code", code}}).Increment(); }

void Metrics::SetRequestMemory(const std::string& kind, double bytes) {
  families_->request_memory.Add({{"kind", kind}}).Set(bytes);
}

void Metrics::SetMemoryRefusals(const std::string& limit, double count) {
  prometheus::Counter& counter = families_->memory_refusals.Add({{"limit", limit}});
  counter.Increment(count - counter.Value());
}

void Metrics::SetDeviceUtilization(const std::string& device, double ratio) {
  families_->device_utilization.Add({{"device", device}}).Set(ratio);
}

void Metrics::SetLogLinesDropped(const std::string& why, uint64_t total) {
  base::MutexLock lock(mutex_);
  auto& counter = families_->log_lines_dropped.Add({{"why", why}});
  counter.Increment(std::max(0.0, static_cast<double>(total) - counter.Value()));
}

void Metrics::SetConnections(const std::string& listener, double open) {
  families_->connections.Add({{"listener", listener}}).Set(open);
}

void Metrics::ConnectionCame(const std::string& listener, const std::string& outcome) {
  families_->connections_total.Add({{"listener", listener}, {"outcome", outcome}}).Increment();
}

void Metrics::TlsTaken(double expiry_timestamp_seconds) {
  families_->tls_certificate_expiry.Add({}).Set(expiry_timestamp_seconds);
  families_->tls_rotations.Add({{"result", "refused"}});  // from 0
  prometheus::Counter& taken = families_->tls_rotations.Add({{"result", "taken"}});
  base::MutexLock lock(mutex_);
  if (std::exchange(has_certificate_, true)) taken.Increment();
}

void Metrics::TlsRefused() { families_->tls_rotations.Add({{"result", "refused"}}).Increment(); }

void Metrics::SetStuck(const Stuck& stuck) {
  families_->stuck_workers.Add({}).Set(stuck.workers);
  families_->stuck_loads.Add({}).Set(stuck.loads);
  families_->suspect_versions.Add({}).Set(stuck.versions);
  families_->last_answer_age.Add({}).Set(stuck.last_answer_age_seconds);
}

void Metrics::SetBuildInfo(const std::map<std::string, std::string>& labels) {
  families_->build_info.Add(labels).Set(1);
}

void Metrics::AddCollector(std::function<void(Metrics&)> collector) {
  base::MutexLock lock(mutex_);
  collectors_.push_back(std::move(collector));
}

std::string Metrics::Serialize() {
  std::vector<std::function<void(Metrics&)>> collectors;
  {
    base::MutexLock lock(mutex_);
    collectors = collectors_;
  }
  for (const auto& collect : collectors) collect(*this);
  return prometheus::TextSerializer().Serialize(registry_->Collect());
}

}  // namespace torchferry::metrics
