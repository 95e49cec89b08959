// Every metric of the server, typed. Their names are in one table (families.cc) and in docs/reference/metrics.md.
// Labels are bounded: only models of the store, devices of this host and gRPC's codes ever become label values.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "server/base/mutex.h"
#include "server/metrics/model_metrics.h"

namespace prometheus {
class Registry;
class Histogram;
}  // namespace prometheus

namespace torchferry::metrics {

struct Families;
class VersionSeries;

// Thread-safe.
class Metrics {
 public:
  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  // Returns the same object for the same arguments, until ForgetModel.
  std::shared_ptr<ModelMetrics> ForModel(const std::string& model, int64_t version);

  // A request for a model that does not exist is counted without a name.
  void UnknownModelRequest(const std::string& code, double seconds);

  // A request, or a stream, was refused for a limit or a load (base/refusal.h). `model` is an existing model, or empty.
  void Refused(const std::string& model, const std::string& limit);

  // Sets 1 for `state` and 0 for every other of `all_states`. Version 0 stands for a folder without a readable version.
  void SetModelState(const std::string& model, int64_t version, const std::string& state,
                     const std::vector<std::string>& all_states);
  // The version is gone. Its state and load time are removed now, its other gauges and histograms when its last
  // ModelMetrics ends. Its counters stay, so that sums over versions do not fall. A later ForModel returns a new
  // object.
  void ForgetModel(const std::string& model, int64_t version, const std::vector<std::string>& all_states);
  void ModelLoaded(const std::string& model, int64_t version, double seconds);

  // Counts the result of golden rows on a placement: "passed", "failed" or "not_checked".
  void ParityChecked(const std::string& model, const std::string& device, const std::string& precision,
                     const std::string& result);

  void SetDeviceUp(const std::string& device, bool up);
  // `kind` is "used" or "limit".
  void SetDeviceMemory(const std::string& device, const std::string& kind, double bytes);
  void SetDeviceUtilization(const std::string& device, double ratio);

  // The number of log lines that are missing until now. `why` is "reader" (nobody read them) or "rate" (a library or a
  // model wrote too many). Totals never fall.
  void SetLogLinesDropped(const std::string& why, uint64_t total);
  // The open connections of a listener, and the outcome of each new one. `outcome` is "accepted", "too_many",
  // "too_many_of_peer", "failed" or "ended_unfinished".
  void SetConnections(const std::string& listener, double open);
  void ConnectionCame(const std::string& listener, const std::string& outcome);
  // A call was refused before its message was read: the caller was not known, or may not make this call.
  void CallRefused(const std::string& code);
  // A new certificate is served from now on, until its end as Unix time. The first does not count as a rotation.
  void TlsTaken(double expiry_timestamp_seconds);
  // The certificate files have changed, and their new content is not served.
  void TlsRefused();
  // The bytes that requests and their answers hold; `kind` is "used" or "limit".
  void SetRequestMemory(const std::string& kind, double bytes);
  // `count` requests were refused since the start, by `limit`: "server" or "connection".
  void SetMemoryRefusals(const std::string& limit, double count);
  // Work that does not end: forward passes and loads that were given up and run on, and the suspect versions.
  struct Stuck {
    int workers = 0;
    int loads = 0;
    int versions = 0;
    double last_answer_age_seconds = 0;  // since the last batch ended
  };
  void SetStuck(const Stuck& stuck);

  // A constant 1 whose labels describe this build: version, libtorch, and others.
  void SetBuildInfo(const std::map<std::string, std::string>& labels);

  // `collector` is called before each Serialize, to set gauges that are read from the host.
  void AddCollector(std::function<void(Metrics&)> collector);

  // Prometheus text format 0.0.4.
  std::string Serialize();

 private:
  using ModelVersion = std::pair<std::string, int64_t>;
  // The users of the same labels. There is more than one object while an unloaded version still ends.
  struct Users {
    int count = 0;
    std::set<prometheus::Histogram*> compute_durations;  // of the devices of the objects that have ended
  };

  // A ModelMetrics ends. Removes its series if no other object has its labels.
  void Leave(const ModelVersion& key, VersionSeries& series);

  const std::unique_ptr<prometheus::Registry> registry_;
  const std::unique_ptr<Families> families_;

  // Held while a version's series is added, set or removed, so that none is set after its removal.
  base::Mutex mutex_;
  std::map<ModelVersion, std::shared_ptr<ModelMetrics>> models_ FERRY_GUARDED_BY(mutex_);
  std::map<ModelVersion, Users> users_ FERRY_GUARDED_BY(mutex_);
  bool has_certificate_ FERRY_GUARDED_BY(mutex_) = false;
  std::vector<std::function<void(Metrics&)>> collectors_ FERRY_GUARDED_BY(mutex_);
};

}  // namespace torchferry::metrics
