#include "server/metrics/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>

namespace torchferry::metrics {
namespace {

using Counters = prometheus::Family<prometheus::Counter>;
using Gauges = prometheus::Family<prometheus::Gauge>;
using Histograms = prometheus::Family<prometheus::Histogram>;

// From 50 µs, a small MLP, to 30 s, a large model on a busy CPU.
const prometheus::Histogram::BucketBoundaries kSecondsBuckets = {
    0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30};
const prometheus::Histogram::BucketBoundaries kRowsBuckets = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024};

Counters& MakeCounters(prometheus::Registry& r, const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(r);
}
Gauges& MakeGauges(prometheus::Registry& r, const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(r);
}
Histograms& MakeHistograms(prometheus::Registry& r, const char* name, const char* help) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(r);
}

}  // namespace

// The table of names.
struct Metrics::Families {
  explicit Families(prometheus::Registry& r)
      : requests(MakeCounters(r, "torchferry_requests_total", "Requests answered, by gRPC code.")),
        request_duration(
            MakeHistograms(r, "torchferry_request_duration_seconds", "Time from a request's arrival to its answer.")),
        queue_duration(MakeHistograms(r, "torchferry_queue_duration_seconds",
                                      "Time that a request waited for its batch to start.")),
        compute_duration(MakeHistograms(r, "torchferry_compute_duration_seconds",
                                        "Time of a batch's forward pass, copies included.")),
        batch_rows(MakeHistograms(r, "torchferry_batch_rows", "Rows in a forward pass.")),
        queue_depth(MakeGauges(r, "torchferry_queue_depth", "Requests that wait for a worker.")),
        in_flight(MakeGauges(r, "torchferry_in_flight_requests", "Requests accepted and not yet answered.")),
        fallbacks(MakeCounters(r, "torchferry_fallbacks_total",
                               "Loads and batches that ran on another device than the wanted one.")),
        device_up(MakeGauges(r, "torchferry_device_up", "1 while the device is used, 0 once it is lost.")),
        device_memory(MakeGauges(r, "torchferry_device_memory_bytes",
                                 "Memory of a device; for the CPU this process's resident set and limit.")),
        device_utilization(MakeGauges(r, "torchferry_device_utilization_ratio",
                                      "Share of a device in use; for the CPU this process's time over its quota.")),
        device_busy(
            MakeCounters(r, "torchferry_device_busy_seconds_total", "Time that forward passes took on a device.")),
        model_state(MakeGauges(r, "torchferry_model_state", "1 for the state that a version is in.")),
        load_duration(MakeGauges(r, "torchferry_model_load_duration_seconds", "Time that loading a version took.")),
        build_info(MakeGauges(r, "torchferry_build_info", "A constant 1; the labels say what is running.")) {}

  Counters& requests;
  Histograms& request_duration;
  Histograms& queue_duration;
  Histograms& compute_duration;
  Histograms& batch_rows;
  Gauges& queue_depth;
  Gauges& in_flight;
  Counters& fallbacks;
  Gauges& device_up;
  Gauges& device_memory;
  Gauges& device_utilization;
  Counters& device_busy;
  Gauges& model_state;
  Gauges& load_duration;
  Gauges& build_info;
};

// Finding a child of a family takes the family's lock, so those that do not depend on the request are found once.
class Metrics::ModelMetricsImpl final : public ModelMetrics {
 public:
  ModelMetricsImpl(Metrics& owner, std::string model, int64_t version)
      : owner_(owner),
        families_(*owner.families_),
        model_(std::move(model)),
        number_(version),
        version_(std::to_string(version)),
        request_duration_(families_.request_duration.Add(Labels(), kSecondsBuckets)),
        queue_duration_(families_.queue_duration.Add(Labels(), kSecondsBuckets)),
        batch_rows_(families_.batch_rows.Add(Labels(), kRowsBuckets)),
        queue_depth_(families_.queue_depth.Add(Labels())),
        in_flight_(families_.in_flight.Add(Labels())) {}

  ~ModelMetricsImpl() override {
    const std::vector<OfDevice> devices = std::move(devices_);
    owner_.Leave(model_, number_, [this, &devices] {
      families_.request_duration.Remove(&request_duration_);
      families_.queue_duration.Remove(&queue_duration_);
      families_.batch_rows.Remove(&batch_rows_);
      families_.queue_depth.Remove(&queue_depth_);
      families_.in_flight.Remove(&in_flight_);
      for (const OfDevice& device : devices) families_.compute_duration.Remove(device.compute_duration);
    });
  }

  void RequestDone(const std::string& device, const std::string& code, double seconds) override {
    request_duration_.Observe(seconds);
    base::MutexLock lock(mutex_);
    Requests(device, code).Increment();
    ModelTotals::Sum& sum = code == "OK" ? totals_.success : totals_.fail;
    ++sum.count;
    sum.seconds += seconds;
    if (code == "OK") totals_.last_unix_milliseconds = UnixMilliseconds();
  }
  void QueueTime(double seconds) override { queue_duration_.Observe(seconds); }
  void BatchDone(const BatchRecord& batch) override {
    batch_rows_.Observe(static_cast<double>(batch.rows));
    const auto requests = static_cast<uint64_t>(batch.requests);
    base::MutexLock lock(mutex_);
    const OfDevice& device = Device(batch.device);
    device.compute_duration->Observe(batch.seconds);
    device.busy->Increment(batch.seconds);
    if (!batch.is_answered) return;
    totals_.queue.count += requests;
    totals_.queue.seconds += batch.queue_seconds;
    AddPhases(batch, requests, totals_.compute);
    AddPhases(batch, 1, totals_.batches[batch.rows]);
    totals_.rows += static_cast<uint64_t>(batch.rows);
    ++totals_.executions;
  }
  void QueueDepth(int64_t requests) override { queue_depth_.Set(static_cast<double>(requests)); }
  void InFlight(int64_t delta) override { in_flight_.Increment(static_cast<double>(delta)); }
  void FellBack(const Fallback& fallback) override {
    families_.fallbacks
        .Add({{"model", model_}, {"from", fallback.from}, {"to", fallback.to}, {"reason", fallback.reason}})
        .Increment();
  }

  ModelTotals Totals() const override {
    base::MutexLock lock(mutex_);
    return totals_;
  }

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

  // A handful: found faster one by one than by the families, which build a map of the labels for each question.
  const OfDevice& Device(const std::string& name) FERRY_REQUIRES(mutex_) {
    const auto found = std::ranges::find(devices_, name, &OfDevice::device);
    if (found != devices_.end()) return *found;
    devices_.push_back(
        {name,
         &families_.compute_duration.Add({{"model", model_}, {"version", version_}, {"device", name}}, kSecondsBuckets),
         &families_.device_busy.Add({{"device", name}})});
    return devices_.back();
  }

  prometheus::Counter& Requests(const std::string& device, const std::string& code) FERRY_REQUIRES(mutex_) {
    for (const OfOutcome& outcome : outcomes_) {
      if (outcome.code == code && outcome.device == device) return *outcome.requests;
    }
    auto& counter =
        families_.requests.Add({{"model", model_}, {"version", version_}, {"device", device}, {"code", code}});
    outcomes_.push_back({device, code, &counter});
    return counter;
  }

  static void AddPhases(const BatchRecord& batch, uint64_t times, ModelTotals::Phases& phases) {
    const auto add = [times](double seconds, ModelTotals::Sum& sum) {
      sum.count += times;
      sum.seconds += seconds * static_cast<double>(times);
    };
    add(batch.input_seconds, phases.input);
    add(batch.infer_seconds, phases.infer);
    add(batch.output_seconds, phases.output);
  }

  static int64_t UnixMilliseconds() {
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
        .count();
  }

  std::map<std::string, std::string> Labels() const { return {{"model", model_}, {"version", version_}}; }

  Metrics& owner_;
  Families& families_;
  const std::string model_;
  const int64_t number_;
  const std::string version_;
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

Metrics::Metrics()
    : registry_(std::make_unique<prometheus::Registry>()), families_(std::make_unique<Families>(*registry_)) {}

Metrics::~Metrics() {
  std::map<std::pair<std::string, int64_t>, std::shared_ptr<ModelMetrics>> models;
  base::MutexLock lock(mutex_);
  models.swap(models_);
}

std::shared_ptr<ModelMetrics> Metrics::ForModel(const std::string& model, int64_t version) {
  base::MutexLock lock(mutex_);
  std::shared_ptr<ModelMetrics>& slot = models_[{model, version}];
  if (slot == nullptr) {
    slot = std::make_shared<ModelMetricsImpl>(*this, model, version);
    ++users_[{model, version}];
  }
  return slot;
}

// Under the lock, as the next user of the same labels gets the same objects.
void Metrics::Leave(const std::string& model, int64_t version, const std::function<void()>& remove) {
  base::MutexLock lock(mutex_);
  const auto users = users_.find({model, version});
  if (--users->second > 0) return;
  users_.erase(users);
  remove();
}

void Metrics::UnknownModelRequest(const std::string& code, double seconds) {
  families_->requests.Add({{"model", ""}, {"version", ""}, {"device", ""}, {"code", code}}).Increment();
  families_->request_duration.Add({{"model", ""}, {"version", ""}}, kSecondsBuckets).Observe(seconds);
}

void Metrics::SetModelState(const std::string& model, int64_t version, const std::string& state,
                            const std::vector<std::string>& all_states) {
  for (const std::string& candidate : all_states) {
    families_->model_state.Add({{"model", model}, {"version", std::to_string(version)}, {"state", candidate}})
        .Set(candidate == state ? 1 : 0);
  }
}

void Metrics::ForgetModel(const std::string& model, int64_t version, const std::vector<std::string>& all_states) {
  std::shared_ptr<ModelMetrics> last;  // dropped without the lock
  {
    base::MutexLock lock(mutex_);
    const auto found = models_.find({model, version});
    if (found != models_.end()) {
      last = std::move(found->second);
      models_.erase(found);
    }
  }
  for (const std::string& state : all_states) {
    const prometheus::Labels labels = {{"model", model}, {"version", std::to_string(version)}, {"state", state}};
    if (families_->model_state.Has(labels)) families_->model_state.Remove(&families_->model_state.Add(labels));
  }
  const prometheus::Labels labels = {{"model", model}, {"version", std::to_string(version)}};
  if (families_->load_duration.Has(labels)) families_->load_duration.Remove(&families_->load_duration.Add(labels));
}

void Metrics::ModelLoaded(const std::string& model, int64_t version, double seconds) {
  families_->load_duration.Add({{"model", model}, {"version", std::to_string(version)}}).Set(seconds);
}

void Metrics::SetDeviceUp(const std::string& device, bool up) {
  families_->device_up.Add({{"device", device}}).Set(up ? 1 : 0);
  families_->device_busy.Add({{"device", device}});  // from 0, so that a rate over it starts right
}

void Metrics::SetDeviceMemory(const std::string& device, const std::string& kind, double bytes) {
  families_->device_memory.Add({{"device", device}, {"kind", kind}}).Set(bytes);
}

void Metrics::SetDeviceUtilization(const std::string& device, double ratio) {
  families_->device_utilization.Add({{"device", device}}).Set(ratio);
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
