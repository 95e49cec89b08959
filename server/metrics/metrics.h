// Every metric of the server, typed. The names stand in one table (families.cc) and in docs/reference/metrics.md.
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

  // The same object for the same arguments.
  std::shared_ptr<ModelMetrics> ForModel(const std::string& model, int64_t version);

  // A request for a model that does not exist: counted without a name.
  void UnknownModelRequest(const std::string& code, double seconds);

  // A request, or a stream, refused for a limit or a load (base/refusal.h). `model` is one that there is, or empty.
  void Refused(const std::string& model, const std::string& limit);

  // 1 for `state` and 0 for every other of `all_states`. Version 0 stands for a folder without a readable version.
  void SetModelState(const std::string& model, int64_t version, const std::string& state,
                     const std::vector<std::string>& all_states);
  // The version is gone: when who counts for it has let go too, its gauges and histograms are not shown any more. Its
  // counters stay, so that sums over versions do not fall. A later ForModel begins anew.
  void ForgetModel(const std::string& model, int64_t version, const std::vector<std::string>& all_states);
  void ModelLoaded(const std::string& model, int64_t version, double seconds);

  // What golden rows said of a placement: "passed", "failed" or "not_checked".
  void ParityChecked(const std::string& model, const std::string& device, const std::string& precision,
                     const std::string& result);

  void SetDeviceUp(const std::string& device, bool up);
  // `kind` is "used" or "limit".
  void SetDeviceMemory(const std::string& device, const std::string& kind, double bytes);
  void SetDeviceUtilization(const std::string& device, double ratio);

  // How many lines of the log are missing so far. `why` is "reader" (nobody read them) or "rate" (a library or a model
  // said too much). Totals never fall.
  void SetLogLinesDropped(const std::string& why, uint64_t total);
  // Connections of a listener: how many are open, and what became of one that came: "accepted", "too_many",
  // "too_many_of_peer", "failed", "ended_unfinished".
  void SetConnections(const std::string& listener, double open);
  void ConnectionCame(const std::string& listener, const std::string& outcome);
  // A call that was refused before its message was read: who calls was not known, or may not call this.
  void CallRefused(const std::string& code);
  // The certificate that is served from now on, and its end as Unix time. The first is no rotation.
  void TlsTaken(double expiry_timestamp_seconds);
  // What came in its files is not served.
  void TlsRefused();
  // What requests and their answers hold; `kind` is "used" or "limit".
  void SetRequestMemory(const std::string& kind, double bytes);
  // So many refused since the start, by `limit`: "server" or "connection".
  void SetMemoryRefusals(const std::string& limit, double count);
  // What does not end: forward passes and loads that were given up and go on, and the versions that are suspect.
  struct Stuck {
    int workers = 0;
    int loads = 0;
    int versions = 0;
    double last_answer_age_seconds = 0;  // since a batch ended last
  };
  void SetStuck(const Stuck& stuck);

  // A constant 1 whose labels say what this is: version, libtorch, and so on.
  void SetBuildInfo(const std::map<std::string, std::string>& labels);

  // Called before each Serialize, to set gauges that are read off the host.
  void AddCollector(std::function<void(Metrics&)> collector);

  // Prometheus text format 0.0.4.
  std::string Serialize();

 private:
  using ModelVersion = std::pair<std::string, int64_t>;
  // Who counts under the same labels: more than one object while a version that is gone still ends.
  struct Users {
    int count = 0;
    std::set<prometheus::Histogram*> compute_durations;  // of the devices of those that have ended
  };

  // A ModelMetrics ends; removes its series if it was the last of its labels.
  void Leave(const ModelVersion& key, VersionSeries& series);

  const std::unique_ptr<prometheus::Registry> registry_;
  const std::unique_ptr<Families> families_;

  // Held while a series of a version is added, set or removed, so that none is set after it was removed.
  base::Mutex mutex_;
  std::map<ModelVersion, std::shared_ptr<ModelMetrics>> models_ FERRY_GUARDED_BY(mutex_);
  std::map<ModelVersion, Users> users_ FERRY_GUARDED_BY(mutex_);
  bool has_certificate_ FERRY_GUARDED_BY(mutex_) = false;
  std::vector<std::function<void(Metrics&)>> collectors_ FERRY_GUARDED_BY(mutex_);
};

}  // namespace torchferry::metrics
