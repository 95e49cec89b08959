#include "server/plan/load_budget.h"

#include <algorithm>

#include "server/base/status.h"
#include "server/tensor/fallback_reason.h"

namespace torchferry::plan {
namespace {

// Stopping is noticed as late as this.
constexpr base::Duration kLook = std::chrono::seconds(1);

// 0 for what always has room.
uint64_t NeededBytes(const LoadMemory& memory) {
  return memory.peak_bytes() - memory.other_bytes < kAlwaysRoomFor ? 0 : memory.peak_bytes();
}

absl::Status NoRoom(const std::string& file, const LoadMemory& memory, uint64_t available) {
  return base::MakeStatus(
      absl::StatusCode::kResourceExhausted,
      "{}: {}: loading it takes up to {}; {} of this server's memory are free. Give the server more memory, unload "
      "other "
      "models, save the weights in a smaller type, or load it all the same with --no-check-load-memory",
      Name(tensor::FallbackReason::kNoRoom), file, ToString(memory), BytesText(available));
}

}  // namespace

absl::Status CheckRoom(const std::string& file, const LoadMemory& memory, uint64_t available) {
  return NeededBytes(memory) <= available ? absl::OkStatus() : NoRoom(file, memory, available);
}

absl::StatusOr<std::unique_ptr<LoadBudget::Reservation>> LoadBudget::Reserve(const std::string& file,
                                                                             const LoadMemory& memory) {
  const uint64_t needed = NeededBytes(memory);
  const base::TimePoint deadline = std::chrono::steady_clock::now() + max_wait_;
  base::MutexLock lock(mutex_);
  while (true) {
    const std::optional<uint64_t> available = available_();
    if (!available.has_value() || needed == 0 || needed + reserved_ <= *available) break;
    const base::TimePoint now = std::chrono::steady_clock::now();
    // When the others have ended there may be room: they may have taken less, or have failed.
    const bool is_hopeless = needed > *available + reserved_;
    if (reserved_ == 0 || is_hopeless || now >= deadline || is_stopping_()) return NoRoom(file, memory, *available);
    given_back_.WaitUntil(mutex_, std::min(deadline, now + kLook));
  }
  reserved_ += needed;
  return std::make_unique<Reservation>(*this, needed);
}

void LoadBudget::GiveBack(uint64_t bytes) {
  base::MutexLock lock(mutex_);
  reserved_ -= bytes;
  given_back_.NotifyAll();
}

}  // namespace torchferry::plan
