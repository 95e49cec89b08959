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
#include "server/registry/reaper.h"
#include "server/registry/version_table.h"

namespace torchferry::registry {

// Loads one version; may take long.
using ServableFactory = std::function<absl::StatusOr<std::unique_ptr<serving::Servable>>(
    const std::string& model, int64_t version, const config::ModelConfig& config)>;

// Load and Retire are called by one thread at a time. A servable ends on a thread of the reaper's.
class VersionLifecycle {
 public:
  // Called on the reaper's thread when a version has ended and its memory is free. May be null.
  using OnUnloaded = std::function<void(const std::string& device)>;

  // `marks`: where it is remembered what is being loaded; may be null.
  VersionLifecycle(ServableFactory factory, VersionTable& table, metrics::Metrics& metrics, const base::Clock& clock,
                   OnUnloaded on_unloaded, std::shared_ptr<LoadMarks> marks = nullptr);
  // Stop, if that was not called.
  ~VersionLifecycle();
  VersionLifecycle(const VersionLifecycle&) = delete;
  VersionLifecycle& operator=(const VersionLifecycle&) = delete;

  // Makes the servable of `source`, which must have a config, and puts it into the table. What the version serves until
  // then goes on, and goes on too if this fails. The factory's error, or LoadMarks::Begin's, with the version before
  // it.
  absl::Status Load(const VersionSource& source);
  // Takes a version out of service (VersionTable::Retire). The generation of its servable, if one has to end.
  std::optional<int64_t> Retire(const std::string& model, int64_t version, bool is_kept);
  // Calls `done` when the servables of `generations` have ended (EndWaits::Await).
  void AwaitEnds(const std::set<int64_t>& generations, std::function<void()> done) {
    ends_.Await(generations, std::move(done));
  }
  // Waits until every servable has ended. The table must not hold one any more, nor may anything be loaded after.
  void Stop() { reaper_.reset(); }

 private:
  // What the factory makes of `source`, with a mark for as long as that takes.
  absl::StatusOr<std::unique_ptr<serving::Servable>> Make(const VersionSource& source);
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
