// Shares the host's memory among loads. A load without room fails before it reads, and the process is not killed later.
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

// Thread-safe. It must outlive its reservations.
class LoadBudget {
 public:
  // Gives the bytes that the process may still take. Nothing where that is not known: then every load has room.
  using Available = std::function<std::optional<uint64_t>()>;

  // Gives the bytes back when it is destroyed.
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

  // `is_stopping`: Reserve then waits no longer. `max_wait` bounds the wait for other loads that hold the room.
  LoadBudget(Available available, std::function<bool()> is_stopping, base::Duration max_wait = std::chrono::minutes(5))
      : available_(std::move(available)), is_stopping_(std::move(is_stopping)), max_wait_(max_wait) {}
  LoadBudget(const LoadBudget&) = delete;
  LoadBudget& operator=(const LoadBudget&) = delete;

  // Reserves room for a load of `file`. Reservations of other loads count as taken, because these loads may not have
  // taken their memory yet. Where there would be room without them, it waits for them to end. RESOURCE_EXHAUSTED,
  // beginning with "no_room", where there is no room.
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

// Whether `available` bytes are enough for a load of `file`. Gives OK or the error of Reserve. Pure.
absl::Status CheckRoom(const std::string& file, const LoadMemory& memory, uint64_t available);

}  // namespace torchferry::plan
