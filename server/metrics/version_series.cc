#include "server/metrics/version_series.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace torchferry::metrics {
namespace {

int64_t UnixMilliseconds() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

VersionSeries::VersionSeries(Families& families, std::string model, int64_t version, OnEnd on_end)
    : families_(families),
      model_(std::move(model)),
      labels_(VersionLabels(model_, version)),
      on_end_(std::move(on_end)),
      request_duration_(families.request_duration.Add(labels_, kSecondsBuckets)),
      queue_duration_(families.queue_duration.Add(labels_, kSecondsBuckets)),
      batch_rows_(families.batch_rows.Add(labels_, kRowsBuckets)),
      queue_depth_(families.queue_depth.Add(labels_)),
      in_flight_(families.in_flight.Add(labels_)) {}

void VersionSeries::RequestDone(const std::string& device, const std::string& code, double seconds) {
  request_duration_.Observe(seconds);
  base::MutexLock lock(mutex_);
  Requests(device, code).Increment();
  if (code == "OK") {
    totals_.AddSuccess(seconds, UnixMilliseconds());
  } else if (code != "INVALID_ARGUMENT") {  // whose request it was, and not the model's failure
    totals_.AddFailure(seconds);
  }
}

void VersionSeries::BatchDone(const BatchRecord& batch) {
  batch_rows_.Observe(static_cast<double>(batch.rows));
  base::MutexLock lock(mutex_);
  const OfDevice& device = Device(batch.device);
  device.compute_duration->Observe(batch.seconds);
  device.busy->Increment(batch.seconds);
  totals_.AddBatch(batch);
}

void VersionSeries::OnFallback(const Fallback& fallback) {
  families_.fallbacks
      .Add({{"model", base::ToUtf8(model_)}, {"from", fallback.from}, {"to", fallback.to}, {"reason", fallback.reason}})
      .Increment();
}

ModelTotals VersionSeries::Totals() const {
  base::MutexLock lock(mutex_);
  return totals_;
}

std::set<prometheus::Histogram*> VersionSeries::compute_durations() const {
  base::MutexLock lock(mutex_);
  std::set<prometheus::Histogram*> series;
  for (const OfDevice& device : devices_) series.insert(device.compute_duration);
  return series;
}

void VersionSeries::RemoveSeries(const std::set<prometheus::Histogram*>& compute_durations) {
  families_.request_duration.Remove(&request_duration_);
  families_.queue_duration.Remove(&queue_duration_);
  families_.batch_rows.Remove(&batch_rows_);
  families_.queue_depth.Remove(&queue_depth_);
  families_.in_flight.Remove(&in_flight_);
  for (prometheus::Histogram* series : compute_durations) families_.compute_duration.Remove(series);
}

// A handful: found faster one by one than by the families, which build a map of the labels for each question.
const VersionSeries::OfDevice& VersionSeries::Device(const std::string& name) {
  const auto found = std::ranges::find(devices_, name, &OfDevice::device);
  if (found != devices_.end()) return *found;
  devices_.push_back({name, &families_.compute_duration.Add(With(labels_, {{"device", name}}), kSecondsBuckets),
                      &families_.device_busy.Add({{"device", name}})});
  return devices_.back();
}

prometheus::Counter& VersionSeries::Requests(const std::string& device, const std::string& code) {
  for (const OfOutcome& outcome : outcomes_) {
    if (outcome.code == code && outcome.device == device) return *outcome.requests;
  }
  auto& counter = families_.requests.Add(With(labels_, {{"device", device}, {"code", code}}));
  outcomes_.push_back({device, code, &counter});
  return counter;
}

}  // namespace torchferry::metrics
