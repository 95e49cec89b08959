// The host's memory, given to loads: one that has no room is told so before it reads, and not killed while it does.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/plan/load_memory.h"

namespace torchferry::plan {

// Thread-safe. Outlives its reservations.
class LoadBudget {
 public:
  // Bytes that the process may still take; nothing where nobody knows: everything has room then.
  using Available = std::function<std::optional<uint64_t>()>;

  // Given back when it is destroyed.
  class Reservation {
   public:
    Reservation(LoadBudget& budget, uint64_t bytes) : budget_(budget), bytes_(bytes) {}
    ~Reservation() { budget_.GiveBack(bytes_); }
    Reservation(const Reservation&) = delete;
    Reservation& operator=(const Reservation&) = delete;

   private:
    LoadBudget& budget_;
    const uint64_t bytes_;
  };

  // `is_stopping`: nobody waits any longer. `max_wait`: for other loads that take the room.
  LoadBudget(Available available, std::function<bool()> is_stopping, base::Duration max_wait = std::chrono::minutes(5))
      : available_(std::move(available)), is_stopping_(std::move(is_stopping)), max_wait_(max_wait) {}
  LoadBudget(const LoadBudget&) = delete;
  LoadBudget& operator=(const LoadBudget&) = delete;

  // Room for a load of `file`. What other loads have reserved counts as taken, as they may not have taken it yet; where
  // there is room without them, it waits for them to end. RESOURCE_EXHAUSTED, which begins with "no_room", where not.
  absl::StatusOr<std::unique_ptr<Reservation>> Reserve(const std::string& file, const LoadMemory& memory);

  std::optional<uint64_t> available() const { return available_(); }

 private:
  void GiveBack(uint64_t bytes);

  const Available available_;
  const std::function<bool()> is_stopping_;
  const base::Duration max_wait_;

  base::Mutex mutex_;
  base::CondVar given_back_;
  uint64_t reserved_ FERRY_GUARDED_BY(mutex_) = 0;
};

// Whether `available` bytes are room for a load of `file`: OK, or what Reserve says. Pure.
absl::Status CheckRoom(const std::string& file, const LoadMemory& memory, uint64_t available);

}  // namespace torchferry::plan
