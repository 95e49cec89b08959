// The devices that a version's model runs on or could run on. It makes the model there, and chooses the device of each
// batch.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/base/stuck_watch.h"
#include "server/model/loaded_model.h"
#include "server/serving/choose_placement.h"
#include "server/serving/device_health.h"
#include "server/serving/row_limit.h"

namespace torchferry::serving {

// The limit for making a placement. Over it the device counts as one where the model cannot be made. Requests that wait
// for it run elsewhere or get an error, and this version makes no other placement meanwhile. A build that ends after
// all counts like any other.
struct BuildLimit {
  base::Duration limit{0};            // zero: no limit
  base::StuckWatch* watch = nullptr;  // null: a build that does not end is not noticed
};

// The bytes that a version holds in memory. 0: nothing, or unknown.
struct MemoryUse {
  uint64_t weights = 0;        // of the model that requests run on now
  uint64_t small_weights = 0;  // of a separate model for small batches, if there is one
  uint64_t other_weights = 0;  // of models on other devices: made ahead of need, or left by a move
};

// Thread-safe.
class Placements {
 public:
  // A placement that a batch runs on.
  struct Use {
    size_t index = 0;
    std::shared_ptr<model::Model> model;
    std::shared_ptr<model::Model> small = nullptr;  // as PlacedModel::small
    bool is_moved = false;                          // away from the device where it was loaded
    bool is_fallback = false;                       // it is moved, or it was loaded on a fallback already
    std::string from{};                             // with a fallback: the device that it would have run on
    // After a move: kDeviceLost, kDeviceError, or the home's last fault. Else the reason of the load.
    tensor::FallbackReason reason = tensor::FallbackReason::kNone;
    std::optional<int64_t> rows;  // max rows that it has memory for now; nullopt: unknown
    base::Duration fastest{};     // the shortest time of a batch; 0: no batch has run
  };
  struct Choice {
    std::optional<Use> use;
    // There is nothing to run on yet, but a placement is being made. OnBuilt follows when `builds` has changed.
    bool may_come = false;
    uint64_t builds = 0;
    absl::Status error;  // why it cannot run, where neither is the case
  };

  // `on_built` is called after each end of a build, on its thread, without a lock held. When a build is given up, the
  // watch's thread calls it, too.
  Placements(std::string model, int64_t version, model::LoadedModel loaded, std::shared_ptr<DeviceHealth> health,
             const base::Clock& clock, std::function<void()> on_built, BuildLimit limit = {});
  // Waits for a running build.
  ~Placements();
  Placements(const Placements&) = delete;
  Placements& operator=(const Placements&) = delete;

  // Chooses for a batch that has met faults on `tried` (bits by index). Begins to make a placement if one is needed.
  Choice Choose(uint64_t tried);

  // The placement on `device`. nullopt when no placement is for that device, or it is lost.
  std::optional<Use> On(const tensor::DeviceId& device);

  void RecordRun(const Use& use, int64_t rows, base::Duration took);
  // A forward pass ended with a DeviceFaultStatus. Reports it to the device's health, too.
  void Failed(const Use& use, const absl::Status& status, int64_t rows);

  // The number of builds that have ended or were given up.
  uint64_t builds() const { return builds_; }

  // Batches that are chosen for from now on run on `better`, where they ran on the model that was loaded. Batches in
  // flight end on the old model. False: `better` is on another device, and nothing has changed.
  bool Replace(model::PlacedModel better);

  // The placement on which requests run now, and the facts about it. The fallback's fields describe the present state.
  model::PlacedModel Now();

  MemoryUse memory() const;

  // Whether there is a placement to run on, or soon will be.
  bool CanRun() const;

  // Whether the running build was given up.
  bool is_stuck() const {
    base::MutexLock lock(mutex_);
    return is_stuck_;
  }
  // Whether no build runs any more. Waits for that until `until`.
  bool HasEnded(base::TimePoint until);

  const std::shared_ptr<DeviceHealth>& health() const { return health_; }

 private:
  class BuildOverrun;
  struct Slot {
    tensor::DeviceId device;
    std::shared_ptr<model::Model> model;  // null: not made
    std::shared_ptr<model::Model> small;  // as PlacedModel::small
    model::ModelInfo info;
    bool is_building = false;
    base::TimePoint failed_until{};  // a build failed: not tried again before this
    base::Duration build_wait{};     // after the last failed build
    RowLimit rows;
    base::Duration fastest{};
    tensor::FallbackReason fault = tensor::FallbackReason::kNone;  // the last one, as a fallback's reason
  };

  std::vector<PlacementView> Views(base::TimePoint now) const FERRY_REQUIRES(mutex_);
  Use UseOf(size_t index, base::TimePoint now) const FERRY_REQUIRES(mutex_);
  tensor::FallbackReason ReasonFor(size_t index) const FERRY_REQUIRES(mutex_);
  absl::Status NoneLeft() const FERRY_REQUIRES(mutex_);
  void NoteMove(size_t index) FERRY_REQUIRES(mutex_);
  void Begin(size_t index) FERRY_REQUIRES(mutex_);
  void BuildFrom(size_t index);
  std::optional<size_t> Build(size_t index);  // returns the next one to build
  void TellStuck(const tensor::DeviceId& device, base::Duration so_far);

  const std::string model_;
  const int64_t version_;
  const std::function<absl::StatusOr<model::PlacedModel>(const tensor::DeviceId&)> place_;
  const std::shared_ptr<DeviceHealth> health_;
  const base::Clock& clock_;
  const std::function<void()> on_built_;
  const BuildLimit limit_;
  std::atomic<uint64_t> builds_{0};

  mutable base::Mutex mutex_;
  std::vector<Slot> slots_ FERRY_GUARDED_BY(mutex_);  // their number and devices are constant
  size_t home_ FERRY_GUARDED_BY(mutex_) = 0;          // the slot where it was loaded; constant
  size_t current_ FERRY_GUARDED_BY(mutex_) = 0;       // the slot of a batch that has tried no other
  bool is_building_ FERRY_GUARDED_BY(mutex_) = false;
  bool is_stuck_ FERRY_GUARDED_BY(mutex_) = false;    // the running build was given up
  bool is_telling_ FERRY_GUARDED_BY(mutex_) = false;  // TellStuck is to run, or runs
  base::CondVar build_ended_;
  std::thread builder_ FERRY_GUARDED_BY(mutex_);
  int subscription_ = 0;
};

}  // namespace torchferry::serving
