// Loads a version into the table, and takes one out of service until its servable has ended.
#pragma once

#include <absl/status/statusor.h>

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "server/base/clock.h"
#include "server/metrics/metrics.h"
#include "server/registry/end_waits.h"
#include "server/registry/load_marks.h"
#include "server/registry/load_pool.h"
#include "server/registry/reaper.h"
#include "server/registry/version_table.h"

namespace torchferry::registry {

// Loads one version. This may take long.
using ServableFactory = std::function<absl::StatusOr<std::unique_ptr<serving::Servable>>(
    const std::string& model, int64_t version, const config::ModelConfig& config)>;

// Thread-safe, but only one operation at a time on one version. Servables end on the reaper's thread.
class VersionLifecycle {
 public:
  // Called on the reaper's thread when a version has ended and its memory is free. May be null.
  using OnUnloaded = std::function<void(const std::string& device)>;

  // `marks`: the record of running loads; may be null.
  VersionLifecycle(ServableFactory factory, VersionTable& table, metrics::Metrics& metrics, const base::Clock& clock,
                   OnUnloaded on_unloaded, std::shared_ptr<LoadMarks> marks = nullptr);
  // Calls Stop, unless that was called.
  ~VersionLifecycle();
  VersionLifecycle(const VersionLifecycle&) = delete;
  VersionLifecycle& operator=(const VersionLifecycle&) = delete;

  // Makes the servable of `source`, which must have a config, and puts it into the table. A servable that already
  // serves goes on until then, and also if this fails. `done` is called once with the outcome, on any thread. Errors
  // are the factory's or LoadMarks::Begin's, with the version as a prefix. DEADLINE_EXCEEDED when it took longer than
  // `limit`. The pool may refuse the job, too (LoadPool::Job::refuse).
  LoadPool::Job LoadJob(const VersionSource& source, base::Duration limit,
                        std::function<void(const absl::Status&)> done);
  // Takes a version out of service (VersionTable::Retire). Returns the generation of its servable, if one has to end.
  std::optional<int64_t> Retire(const std::string& model, int64_t version, bool is_kept);
  // Calls `done` when the servables of `generations` have ended, or one of them does not end (EndWaits::Await).
  void AwaitEnds(const std::set<int64_t>& generations, EndWaits::Done done) {
    ends_.Await(generations, std::move(done));
  }
  // Waits until every servable has ended. The table must hold no servable any more, and nothing may be loaded
  // afterwards.
  void Stop() { reaper_.reset(); }

 private:
  // Calls the factory for `source`, and keeps a mark meanwhile.
  absl::StatusOr<std::unique_ptr<serving::Servable>> Make(const VersionSource& source);
  // Loads `source`. Returns the step that puts the servable into the table, or records the error.
  std::function<absl::Status()> Load(const VersionSource& source);
  absl::Status Failed(const VersionSource& source, const absl::Status& why);
  void Serve(const VersionSource& source, std::unique_ptr<serving::Servable> servable, double load_seconds);
  void Ended(const std::string& model, int64_t version, int64_t generation, const std::string& device);

  const ServableFactory factory_;
  VersionTable& table_;
  metrics::Metrics& metrics_;
  const base::Clock& clock_;
  const OnUnloaded on_unloaded_;
  const std::shared_ptr<LoadMarks> marks_;
  EndWaits ends_;
  std::unique_ptr<Reaper> reaper_;
};

}  // namespace torchferry::registry
