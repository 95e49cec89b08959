#include "server/serving/placements.h"

#include <algorithm>
#include <utility>

#include "server/base/logging.h"
#include "server/base/status.h"
#include "server/base/thread_name.h"
#include "server/serving/leaked_on_loss.h"

namespace torchferry::serving {
namespace {

using tensor::FallbackReason;

// Before a placement that could not be made is tried again.
constexpr base::Duration kBeforeNextBuild = std::chrono::seconds(10);
constexpr base::Duration kMaxBeforeNextBuild = std::chrono::minutes(5);

std::shared_ptr<model::Model> LeakedOrNull(std::shared_ptr<model::Model> model,
                                           const std::shared_ptr<DeviceHealth>& health) {
  return model == nullptr ? nullptr : LeakedOnLoss(std::move(model), health);
}

}  // namespace

// On the watch's thread: the build of one slot does not end.
class Placements::BuildOverrun final : public base::Overrun {
 public:
  BuildOverrun(Placements& placements, size_t index) : placements_(placements), index_(index) {}

  std::function<void()> GiveUp(base::Duration so_far) override {
    tensor::DeviceId device;
    {
      base::MutexLock lock(placements_.mutex_);
      Slot& slot = placements_.slots_[index_];
      device = slot.device;
      slot.is_building = false;
      slot.failed_until = base::kNoDeadline;
      placements_.is_stuck_ = placements_.is_telling_ = true;
      ++placements_.builds_;
    }
    // Not destroyed before HasEnded, which waits for `is_telling_`.
    return [placements = &placements_, device, so_far] { placements->TellStuck(device, so_far); };
  }

 private:
  Placements& placements_;
  const size_t index_;
};

Placements::Placements(std::string model, int64_t version, model::LoadedModel loaded,
                       std::shared_ptr<DeviceHealth> health, const base::Clock& clock, std::function<void()> on_built,
                       BuildLimit limit)
    : model_(std::move(model)),
      version_(version),
      place_(std::move(loaded.place)),
      health_(std::move(health)),
      clock_(clock),
      on_built_(std::move(on_built)),
      limit_(limit) {
  {
    base::MutexLock lock(mutex_);
    for (const tensor::DeviceId& device : loaded.preferred_devices) {
      Slot& slot = slots_.emplace_back();
      slot.device = device;
      slot.failed_until = clock_.Now() + kBeforeNextBuild;
    }
    home_ = current_ = slots_.size();
    Slot& home = slots_.emplace_back();
    home.device = loaded.model->device();
    home.model = LeakedOnLoss(loaded.model, health_);
    home.small = LeakedOrNull(loaded.small, health_);
    home.info = std::move(loaded.info);
    for (const tensor::DeviceId& device : loaded.fallback_devices) {
      slots_.emplace_back().device = device;
      if (loaded.standby == device) Begin(slots_.size() - 1);
    }
  }
  // Without the lock, which the listener takes.
  if (place_ != nullptr) subscription_ = health_->Subscribe([this](const DeviceReport&) { Choose(0); });
}

Placements::~Placements() {
  if (subscription_ != 0) health_->Unsubscribe(subscription_);
  std::thread last;
  {
    base::MutexLock lock(mutex_);
    last = std::move(builder_);
  }
  if (last.joinable()) last.join();
  HasEnded(base::kNoDeadline);
}

bool Placements::HasEnded(base::TimePoint until) {
  base::MutexLock lock(mutex_);
  while (is_building_ || is_telling_) {
    if (until == base::kNoDeadline) {
      build_ended_.Wait(mutex_);
    } else if (!build_ended_.WaitUntil(mutex_, until) && (is_building_ || is_telling_)) {
      return false;
    }
  }
  return true;
}

void Placements::TellStuck(const tensor::DeviceId& device, base::Duration so_far) {
  base::LogError("placement does not end", {{"model", model_},
                                            {"version", version_},
                                            {"device", tensor::ToString(device)},
                                            {"seconds", fmt::format("{:.1f}", base::ToSeconds(so_far))},
                                            {"load_timeout_seconds", base::ToSeconds(limit_.limit)}});
  on_built_();
  base::MutexLock lock(mutex_);
  is_telling_ = false;
  build_ended_.NotifyAll();
}

std::vector<PlacementView> Placements::Views(base::TimePoint now) const {
  std::vector<PlacementView> views;
  for (const Slot& slot : slots_) {
    views.push_back({.device = health_->Get(slot.device),
                     .is_built = slot.model != nullptr,
                     .is_building = slot.is_building,
                     .has_failed = is_stuck_ || now < slot.failed_until,
                     .is_resting = slot.rows.At(now) == 0});
  }
  return views;
}

Placements::Choice Placements::Choose(uint64_t tried) {
  const base::TimePoint now = clock_.Now();
  base::MutexLock lock(mutex_);
  const PlacementChoice chosen = ChoosePlacement(Views(now), tried);
  if (chosen.build.has_value()) Begin(*chosen.build);
  Choice choice;
  choice.builds = builds_;
  if (chosen.run.has_value()) {
    if (tried == 0) NoteMove(*chosen.run);
    choice.use = UseOf(*chosen.run, now);
  } else if (chosen.may_come || chosen.build.has_value()) {
    choice.may_come = true;
  } else {
    choice.error = NoneLeft();
  }
  return choice;
}

Placements::Use Placements::UseOf(size_t index, base::TimePoint now) const {
  const Slot& slot = slots_[index];
  Use use{.index = index,
          .model = slot.model,
          .small = slot.small,
          .is_moved = index > home_,
          .rows = slot.rows.At(now),
          .fastest = slot.fastest};
  if (index == home_) {
    use.is_fallback = slot.info.fallback;
    use.from = slot.info.fallback_from;
    use.reason = slot.info.fallback_reason;
  } else if (index > home_) {
    use.is_fallback = true;
    use.from = tensor::ToString(slots_[home_].device);
    use.reason = ReasonFor(index);
  }
  return use;
}

// Why it is not the one that it was loaded on.
FallbackReason Placements::ReasonFor(size_t index) const {
  if (index <= home_) return FallbackReason::kNone;
  const Slot& home = slots_[home_];
  switch (health_->Get(home.device)) {
    case DeviceState::kLost:
      return FallbackReason::kDeviceLost;
    case DeviceState::kProbation:
      return FallbackReason::kDeviceError;
    default:
      return home.fault == FallbackReason::kNone ? FallbackReason::kDeviceError : home.fault;
  }
}

absl::Status Placements::NoneLeft() const {
  std::string devices;
  for (const Slot& slot : slots_) {
    const DeviceState state = health_->Get(slot.device);
    const std::string_view what = state == DeviceState::kLost        ? "is lost"
                                  : state == DeviceState::kProbation ? "is on probation after an error"
                                                                     : "could not run it";
    devices += fmt::format("{}{} {}", devices.empty() ? "" : ", ", tensor::ToString(slot.device), what);
  }
  return base::MakeStatus(
      absl::StatusCode::kUnavailable, "model \"{}\" version {} has no device to run on: {}{}", model_, version_,
      devices,
      slots_.size() == 1 && !slots_[0].device.IsCpu() ? "; torchferry { fallback: CPU } would allow the CPU" : "");
}

void Placements::NoteMove(size_t index) {
  const size_t before = std::exchange(current_, index);
  if (before == index) return;
  const std::string_view reason = index < before ? "sound again" : Name(ReasonFor(index));
  base::LogWarning("model moved", {{"model", model_},
                                   {"version", version_},
                                   {"from", tensor::ToString(slots_[before].device)},
                                   {"to", tensor::ToString(slots_[index].device)},
                                   {"reason", reason}});
}

void Placements::Begin(size_t index) {
  if (is_building_ || place_ == nullptr) return;
  if (builder_.joinable()) builder_.join();  // it has ended, but for its last lines, which take no lock of ours
  is_building_ = slots_[index].is_building = true;
  builder_ = std::thread([this, index] { BuildFrom(index); });
}

// Until nothing is wanted any more.
void Placements::BuildFrom(size_t index) {
  base::NameThisThread("builder");
  std::optional<size_t> next = index;
  while (next.has_value()) {
    next = Build(*next);
    on_built_();
  }
}

std::optional<size_t> Placements::Build(size_t index) {
  tensor::DeviceId device;
  {
    base::MutexLock lock(mutex_);
    device = slots_[index].device;
  }
  const base::TimePoint started = clock_.Now();
  const auto pass = limit_.watch == nullptr ? std::make_shared<base::Pass>() : limit_.watch->Add();
  BuildOverrun overrun(*this, index);
  pass->Begin(started, limit_.limit, overrun);
  absl::StatusOr<model::PlacedModel> placed = place_(device);
  pass->End();
  if (placed.ok()) {
    base::LogInfo("placement ready", {{"model", model_},
                                      {"version", version_},
                                      {"device", tensor::ToString(device)},
                                      {"seconds", fmt::format("{:.3f}", base::ToSeconds(clock_.Now() - started))}});
  } else {
    base::LogWarning("placement not made", {{"model", model_},
                                            {"version", version_},
                                            {"device", tensor::ToString(device)},
                                            {"reason", base::MessageOf(placed.status())}});
    health_->Report(device, model::DeviceFaultOf(placed.status()), base::MessageOf(placed.status()));
  }
  base::MutexLock lock(mutex_);
  Slot& slot = slots_[index];
  slot.is_building = is_building_ = is_stuck_ = false;
  if (placed.ok()) {
    slot.failed_until = {};
    slot.model = LeakedOnLoss(placed->model, health_);
    slot.small = LeakedOrNull(placed->small, health_);
    slot.info = std::move(placed->info);
    slot.build_wait = {};
  } else {
    slot.build_wait = std::clamp(slot.build_wait * 2, kBeforeNextBuild, kMaxBeforeNextBuild);
    slot.failed_until = clock_.Now() + slot.build_wait;
  }
  ++builds_;
  const PlacementChoice choice = ChoosePlacement(Views(clock_.Now()), 0);
  if (choice.run.has_value()) NoteMove(*choice.run);
  if (choice.build.has_value()) is_building_ = slots_[*choice.build].is_building = true;
  build_ended_.NotifyAll();
  return choice.build;
}

std::optional<Placements::Use> Placements::On(const tensor::DeviceId& device) {
  const base::TimePoint now = clock_.Now();
  if (health_->Get(device) == DeviceState::kLost) return std::nullopt;
  base::MutexLock lock(mutex_);
  const auto slot = std::ranges::find(slots_, device, &Slot::device);
  if (slot == slots_.end()) return std::nullopt;
  return UseOf(static_cast<size_t>(slot - slots_.begin()), now);
}

void Placements::RecordRun(const Use& use, int64_t rows, base::Duration took) {
  base::MutexLock lock(mutex_);
  Slot& slot = slots_[use.index];
  slot.rows.RecordFit(rows);
  slot.fastest = slot.fastest == base::Duration::zero() ? took : std::min(slot.fastest, took);
}

void Placements::Failed(const Use& use, const absl::Status& status, int64_t rows) {
  const model::DeviceFault fault = model::DeviceFaultOf(status);
  {
    base::MutexLock lock(mutex_);
    Slot& slot = slots_[use.index];
    slot.fault = model::FallbackReasonOf(status, FallbackReason::kDeviceError);
    if (fault == model::DeviceFault::kOutOfMemory) slot.rows.OutOfMemory(rows, clock_.Now());
    if (fault == model::DeviceFault::kUnsupported) slot.rows.Rest(clock_.Now());
  }
  health_->Report(use.model->device(), fault, base::MessageOf(status));
}

bool Placements::CanRun() const {
  const base::TimePoint now = clock_.Now();
  base::MutexLock lock(mutex_);
  const PlacementChoice choice = ChoosePlacement(Views(now), 0);
  return choice.run.has_value() || choice.build.has_value() || choice.may_come;
}

bool Placements::Replace(model::PlacedModel better) {
  std::shared_ptr<model::Model> model = LeakedOnLoss(std::move(better.model), health_);
  std::shared_ptr<model::Model> small = LeakedOrNull(std::move(better.small), health_);
  // What it takes the place of ends without the lock: that takes its time.
  base::MutexLock lock(mutex_);
  Slot& home = slots_[home_];
  if (model->device() != home.device) return false;
  home.model.swap(model);
  home.small.swap(small);
  home.info = std::move(better.info);
  home.fastest = {};
  return true;
}

MemoryUse Placements::memory() const {
  base::MutexLock lock(mutex_);
  const size_t current = ChoosePlacement(Views(clock_.Now()), 0).run.value_or(current_);
  MemoryUse use;
  for (size_t i = 0; i < slots_.size(); ++i) {
    const uint64_t weights = slots_[i].model == nullptr ? 0 : slots_[i].model->weight_bytes();
    const uint64_t small = slots_[i].small == nullptr ? 0 : slots_[i].small->weight_bytes();
    if (i == current) {
      use.weights = weights;
      use.small_weights = small;
    } else {
      use.other_weights += weights + small;
    }
  }
  return use;
}

model::PlacedModel Placements::Now() {
  const base::TimePoint now = clock_.Now();
  base::MutexLock lock(mutex_);
  const PlacementChoice choice = ChoosePlacement(Views(now), 0);
  const size_t index = choice.run.value_or(current_);
  const Use use = UseOf(index, now);
  model::PlacedModel placed{use.model, slots_[index].info, use.small};
  placed.info.fallback = use.is_fallback;
  placed.info.fallback_from = use.from;
  placed.info.fallback_reason = use.reason;
  if (index > home_) {
    placed.info.decisions.push_back(fmt::format("runs on {} instead of {}: {}", tensor::ToString(slots_[index].device),
                                                use.from, Name(use.reason)));
  }
  if (!choice.run.has_value()) {
    const bool may_come = choice.may_come || choice.build.has_value();
    placed.info.decisions.push_back(may_come ? fmt::format("is being moved from {}, which failed; requests wait",
                                                           tensor::ToString(slots_[index].device))
                                             : base::MessageOf(NoneLeft()));
  }
  return placed;
}

}  // namespace torchferry::serving
