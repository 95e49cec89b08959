// Every metric of the server, typed. The names stand in one table (metrics.cc) and in README.md. Labels are bounded:
// only models of the store, devices of this host and gRPC's codes ever become label values.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/base/mutex.h"

namespace prometheus {
class Registry;
class Counter;
class Gauge;
class Histogram;
template <typename T>
class Family;
}  // namespace prometheus

namespace torchferry::metrics {

// Why a device that was asked for, or that `auto` had chosen, was not used: one of "absent", "out_of_memory",
// "device_lost", "no_room", "load_failed", "quantized".
struct Fallback {
  std::string from;
  std::string to;
  std::string reason;
};

// One forward pass.
struct BatchRecord {
  std::string device;
  int64_t requests = 0;
  int64_t rows = 0;
  bool is_answered = false;  // it gave answers
  double seconds = 0;
  double input_seconds = 0;   // of these: gathering the inputs, and copying them to the device
  double infer_seconds = 0;   // the forward pass, as far as the host waits for it
  double output_seconds = 0;  // waiting for the device, copying from it, splitting
  double queue_seconds = 0;   // of all its requests together
};

// What one version has done since the server started, in numbers that add up to what its clients counted.
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
  Sum fail;
  // Requests that a forward pass answered. Each has the whole time of the pass that it shared.
  Sum queue;
  Phases compute;
  std::map<int64_t, Phases> batches;   // such passes, by their rows
  uint64_t rows = 0;                   // of all such passes
  uint64_t executions = 0;             // such passes
  int64_t last_unix_milliseconds = 0;  // of the last answer; 0: none yet
};

// Metrics of one version of one model. Thread-safe. Lives as long as the version does.
class ModelMetrics {
 public:
  virtual ~ModelMetrics() = default;

  // `code` is "OK", "INVALID_ARGUMENT", …; `device` is empty for a request that ended before it reached one.
  virtual void RequestDone(const std::string& device, const std::string& code, double seconds) = 0;
  virtual void QueueTime(double seconds) = 0;
  virtual void BatchDone(const BatchRecord& batch) = 0;
  virtual void QueueDepth(int64_t requests) = 0;
  virtual void InFlight(int64_t delta) = 0;
  virtual void FellBack(const Fallback& fallback) = 0;

  virtual ModelTotals Totals() const = 0;
};

// Thread-safe.
class Metrics {
 public:
  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  // The same object for the same arguments.
  std::shared_ptr<ModelMetrics> ForModel(const std::string& model, int64_t version);

  // A request for a model that does not exist: counted without a name.
  void UnknownModelRequest(const std::string& code, double seconds);

  // 1 for `state` and 0 for every other of `all_states`. Version 0 stands for a folder without a readable version.
  void SetModelState(const std::string& model, int64_t version, const std::string& state,
                     const std::vector<std::string>& all_states);
  // The version is gone: when who counts for it has let go too, its gauges and histograms are not shown any more. Its
  // counters stay, so that sums over versions do not fall. A later ForModel begins anew.
  void ForgetModel(const std::string& model, int64_t version, const std::vector<std::string>& all_states);
  void ModelLoaded(const std::string& model, int64_t version, double seconds);

  void SetDeviceUp(const std::string& device, bool up);
  // `kind` is "used" or "limit".
  void SetDeviceMemory(const std::string& device, const std::string& kind, double bytes);
  void SetDeviceUtilization(const std::string& device, double ratio);

  // A constant 1 whose labels say what this is: version, libtorch, and so on.
  void SetBuildInfo(const std::map<std::string, std::string>& labels);

  // Called before each Serialize, to set gauges that are read off the host.
  void AddCollector(std::function<void(Metrics&)> collector);

  // Prometheus text format 0.0.4.
  std::string Serialize();

 private:
  class ModelMetricsImpl;
  // A ModelMetrics ends; `remove` its series if it was the last of its labels.
  void Leave(const std::string& model, int64_t version, const std::function<void()>& remove);
  struct Families;

  const std::unique_ptr<prometheus::Registry> registry_;
  const std::unique_ptr<Families> families_;

  base::Mutex mutex_;
  std::map<std::pair<std::string, int64_t>, std::shared_ptr<ModelMetrics>> models_ FERRY_GUARDED_BY(mutex_);
  // How many objects count under the same labels: more than one while a version that is gone still ends.
  std::map<std::pair<std::string, int64_t>, int> users_ FERRY_GUARDED_BY(mutex_);
  std::vector<std::function<void(Metrics&)>> collectors_ FERRY_GUARDED_BY(mutex_);
};

}  // namespace torchferry::metrics
