// Every metric of the server, typed. The names stand in one table (metrics.cc) and in README.md. Labels are bounded: only
// models of the store, devices of this host and gRPC's codes ever become label values.
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

namespace torchferry {

// Why a device that was asked for, or that `auto` had chosen, was not used: one of "absent", "out_of_memory",
// "device_lost", "no_room", "load_failed", "quantized".
struct Fallback {
  std::string from;
  std::string to;
  std::string reason;
};

// Metrics of one version of one model. Thread-safe. Lives as long as the version does.
class ModelMetrics {
 public:
  virtual ~ModelMetrics() = default;

  // `code` is "OK", "INVALID_ARGUMENT", …; `device` is empty for a request that ended before it reached one.
  virtual void RequestDone(const std::string& device, const std::string& code, double seconds) = 0;
  virtual void QueueTime(double seconds) = 0;
  virtual void BatchDone(const std::string& device, int64_t rows, double seconds) = 0;
  virtual void QueueDepth(int64_t requests) = 0;
  virtual void InFlight(int64_t delta) = 0;
  virtual void FellBack(const Fallback& fallback) = 0;
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
  struct Families;

  const std::unique_ptr<prometheus::Registry> registry_;
  const std::unique_ptr<Families> families_;

  Mutex mutex_;
  std::map<std::pair<std::string, int64_t>, std::shared_ptr<ModelMetrics>> models_ TF_GUARDED_BY(mutex_);
  std::vector<std::function<void(Metrics&)>> collectors_ TF_GUARDED_BY(mutex_);
};

}  // namespace torchferry
