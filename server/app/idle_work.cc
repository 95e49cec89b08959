#include "server/app/idle_work.h"

#include <algorithm>
#include <utility>

#include "server/base/logging.h"
#include "server/base/thread_priority.h"

namespace torchferry::app {
namespace {

// Between two pieces, for whatever else wants the processor.
constexpr base::Duration kPause = std::chrono::milliseconds(10);

// On the watch's thread: a piece does not end.
class PieceOverrun final : public base::Overrun {
 public:
  explicit PieceOverrun(std::shared_ptr<serving::IdleJobs> jobs) : jobs_(std::move(jobs)) {}

  std::function<void()> GiveUp(base::Duration so_far) override {
    jobs_->SetStuck(true);
    return [so_far] {
      base::LogError("idle work does not end", {{"seconds", fmt::format("{:.1f}", base::ToSeconds(so_far))}});
    };
  }

 private:
  const std::shared_ptr<serving::IdleJobs> jobs_;
};

}  // namespace

base::TimePoint QuietTime::NextPieceAt(const ServerActivity& seen, base::TimePoint now) {
  if (seen.is_busy || seen.batches != batches_) since_ = now;
  batches_ = seen.batches;
  return since_ + kLeast;
}

IdleWork::IdleWork(Options options, const base::Clock& clock)
    : options_(std::move(options)),
      clock_(clock),
      pass_(options_.watch == nullptr ? std::make_shared<base::Pass>() : options_.watch->Add()) {
  loop_.Start(base::kNoDeadline);
}

void IdleWork::Add(std::shared_ptr<serving::IdleJobs> jobs) {
  {
    base::MutexLock lock(mutex_);
    waiting_.push_back(std::move(jobs));
  }
  loop_.Wake();
}

void IdleWork::Stop() {
  stopping_ = true;
  loop_.Stop();
}

base::TimePoint IdleWork::TakeTurn() {
  if (!std::exchange(has_low_priority_, true)) base::LowerPriority(base::ThisThreadNumber());
  const std::shared_ptr<serving::IdleJobs> jobs = Next();
  if (jobs == nullptr) return base::kNoDeadline;
  const ServerActivity seen = options_.look();
  const base::TimePoint due = quiet_.NextPieceAt(seen, clock_.Now());
  if (due > clock_.Now()) return due;
  RunPiece(jobs, seen.batches);
  return clock_.Now() + kPause;
}

std::shared_ptr<serving::IdleJobs> IdleWork::Next() {
  base::MutexLock lock(mutex_);
  const auto next = std::ranges::min_element(waiting_, {}, [](const auto& jobs) { return jobs->done(); });
  return next == waiting_.end() ? nullptr : *next;
}

void IdleWork::RunPiece(const std::shared_ptr<serving::IdleJobs>& jobs, uint64_t batches) {
  PieceOverrun overrun(jobs);
  pass_->Begin(clock_.Now(), options_.piece_limit, overrun);
  const bool has_more = jobs->RunPiece([this, batches] {
    const ServerActivity now = options_.look();
    return !stopping_ && !now.is_busy && now.batches == batches;
  });
  if (!pass_->End()) base::LogWarning("idle work that did not end has ended");
  if (!has_more) Remove(jobs);
}

void IdleWork::Remove(const std::shared_ptr<serving::IdleJobs>& jobs) {
  {
    base::MutexLock lock(mutex_);
    std::erase(waiting_, jobs);
    if (!waiting_.empty()) return;
  }
  if (options_.on_all_done) options_.on_all_done();
}

}  // namespace torchferry::app
