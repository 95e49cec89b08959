// Where a version's model is, and where else it can be: what of it is made, on which devices, and which of these a
// batch runs on.
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

// Under which a placement is made. Beyond it the device counts as one where it cannot be made, requests that wait for
// it are told so, and no other is made for this version; a build that ends after all counts as any.
struct BuildLimit {
  base::Duration limit{0};            // zero: none
  base::StuckWatch* watch = nullptr;  // null: nobody sees it
};

// What a version holds in memory, in bytes. 0: nothing, or unknown.
struct MemoryUse {
  uint64_t weights = 0;        // of the model that requests run on now
  uint64_t small_weights = 0;  // of the model for small batches, where that is another
  uint64_t other_weights = 0;  // of what is made on other devices, ahead of need or from before a move
};

// Thread-safe.
class Placements {
 public:
  // What a batch runs on.
  struct Use {
    size_t index = 0;
    std::shared_ptr<model::Model> model;
    std::shared_ptr<model::Model> small = nullptr;  // as PlacedModel::small
    bool is_moved = false;                          // away from where it was loaded
    bool is_fallback = false;                       // that, or where it was loaded already was one
    std::string from{};                             // of a fallback: the device that it would have been, and
    // kDeviceLost, kDeviceError or kOutOfMemory, or as when it was loaded.
    tensor::FallbackReason reason = tensor::FallbackReason::kNone;
    std::optional<int64_t> rows;  // most that it has memory for now; nothing: unknown
    base::Duration fastest{};     // a batch has taken at least so long; 0: none has run
  };
  struct Choice {
    std::optional<Use> use;
    // Nothing to run on yet, but one is being made; OnBuilt follows when `builds` has changed.
    bool may_come = false;
    uint64_t builds = 0;
    absl::Status error;  // why not, where neither is the case
  };

  // `on_built`: after each end of a build, on its thread, without a lock held.
  Placements(std::string model, int64_t version, model::LoadedModel loaded, std::shared_ptr<DeviceHealth> health,
             const base::Clock& clock, std::function<void()> on_built, BuildLimit limit = {});
  // Waits for a build that runs.
  ~Placements();
  Placements(const Placements&) = delete;
  Placements& operator=(const Placements&) = delete;

  // For a batch that has met faults on `tried` (bits by index). Begins to make what is needed.
  Choice Choose(uint64_t tried);

  // On this device, which is one of the placements' and is up; nothing otherwise.
  std::optional<Use> On(const tensor::DeviceId& device);

  void Ran(const Use& use, int64_t rows, base::Duration took);
  // A forward pass ended with a DeviceFaultStatus. Tells the device's health, too.
  void Failed(const Use& use, const absl::Status& status, int64_t rows);

  // Counts ends of builds.
  uint64_t builds() const { return builds_; }

  // Batches that are chosen for from now on run on `better` where they ran on the model that was loaded; those under
  // way end on that. False: `better` is on another device, and nothing has changed.
  bool Replace(model::PlacedModel better);

  // Where requests run now, and the facts about that; the fallback's fields are those of now.
  model::PlacedModel Now();

  MemoryUse memory() const;

  // Whether there is anything to run on, or soon will be.
  bool CanRun() const;

  // What is being made was given up, and goes on.
  bool is_stuck() const {
    base::MutexLock lock(mutex_);
    return is_stuck_;
  }
  // Whether nothing is being made any more, which is waited for until `until`.
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
    base::TimePoint failed_until{};  // to be made
    base::Duration build_wait{};     // after the last failure of that
    RowLimit rows;
    base::Duration fastest{};
    tensor::FallbackReason fault = tensor::FallbackReason::kNone;  // the last, as a fallback's reason
  };

  std::vector<PlacementView> Views(base::TimePoint now) const FERRY_REQUIRES(mutex_);
  Use UseOf(size_t index, base::TimePoint now) const FERRY_REQUIRES(mutex_);
  tensor::FallbackReason ReasonFor(size_t index) const FERRY_REQUIRES(mutex_);
  absl::Status NoneLeft() const FERRY_REQUIRES(mutex_);
  void NoteMove(size_t index) FERRY_REQUIRES(mutex_);
  void Begin(size_t index) FERRY_REQUIRES(mutex_);
  void BuildFrom(size_t index);
  std::optional<size_t> Build(size_t index);  // and what to build next
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
  size_t home_ FERRY_GUARDED_BY(mutex_) = 0;          // where it was loaded; constant
  size_t current_ FERRY_GUARDED_BY(mutex_) = 0;       // of a batch that has tried none
  bool is_building_ FERRY_GUARDED_BY(mutex_) = false;
  bool is_stuck_ FERRY_GUARDED_BY(mutex_) = false;    // the running build was given up
  bool is_telling_ FERRY_GUARDED_BY(mutex_) = false;  // that
  base::CondVar build_ended_;
  std::thread builder_ FERRY_GUARDED_BY(mutex_);
  int subscription_ = 0;
};

}  // namespace torchferry::serving
