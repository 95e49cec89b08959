#include "server/batching/crew.h"

#include <algorithm>

namespace torchferry::batching {
namespace {

// A thread that has been in one batch for so long may come back, and nobody should have to wait for it.
constexpr base::Duration kHeldUp = std::chrono::seconds(5);

}  // namespace

CrewMember& Crew::Add(std::unique_ptr<CrewMember> member) {
  if (member->kind == RunnerKind::kWorker) ++alive_;
  return *members_.emplace_back(std::move(member));
}

void Crew::Leave(CrewMember& member) {
  if (member.kind == RunnerKind::kWorker) --alive_;
  const auto it = std::ranges::find(members_, &member, [](const auto& one) { return one.get(); });
  ended_.push_back(std::move(*it));
  members_.erase(it);
}

std::unique_ptr<CrewMember> Crew::TakeLast() {
  std::erase_if(members_, [](const auto& member) { return member->kind == RunnerKind::kCaller; });
  if (members_.empty()) return nullptr;
  std::unique_ptr<CrewMember> last = std::move(members_.back());
  members_.pop_back();
  return last;
}

int& Crew::StuckOf(RunnerKind kind) {
  if (kind == RunnerKind::kWorker) return stuck_;
  return kind == RunnerKind::kExpress ? stuck_express_ : stuck_callers_;
}

void Crew::SetStuck(CrewMember& member) {
  const bool is_worker = member.kind == RunnerKind::kWorker;
  DispatchQueue& queue = *member.queue;
  member.is_stuck = true;
  if (std::exchange(member.is_held_up, false)) {
    --queue.held_up;
    held_up_ -= is_worker ? 1 : 0;
  }
  ++queue.stuck;
  queue.was_long = true;
  ++StuckOf(member.kind);
}

bool Crew::EndBatch(CrewMember& member) {
  const bool is_worker = member.kind == RunnerKind::kWorker;
  DispatchQueue& queue = *std::exchange(member.queue, nullptr);
  if (std::exchange(member.is_held_up, false)) {
    --queue.held_up;
    held_up_ -= is_worker ? 1 : 0;
  }
  if (!std::exchange(member.is_stuck, false)) return false;
  --queue.stuck;
  --StuckOf(member.kind);
  return true;
}

void Crew::MarkHeldUp(base::TimePoint now) {
  for (const auto& member : members_) {
    const bool is_new =
        member->queue != nullptr && !member->is_held_up && !member->is_stuck && now - member->began >= kHeldUp;
    if (!is_new) continue;
    member->is_held_up = true;
    ++member->queue->held_up;
    member->queue->was_long = true;
    if (member->kind == RunnerKind::kWorker) ++held_up_;
  }
}

WorkerCounts Crew::Counts(bool others_wait) const {
  return {.planned = plan_.workers,
          .max_extra = plan_.max_extra,
          .alive = alive_ + stuck_express_,
          .stuck = stuck_ + stuck_express_,
          .held_up = held_up_,
          .others_wait = others_wait};
}

WorkerCounts Crew::SetWanted(bool others_wait) {
  const WorkerCounts counts = Counts(others_wait);
  wanted_ = WorkersWanted(counts) - stuck_express_;
  return counts;
}

std::optional<RunnerKind> Crew::Missing() const {
  if (alive_ < wanted_) return RunnerKind::kWorker;
  if (!plan_.has_express) return std::nullopt;
  int unable = 0;
  for (const auto& member : members_) {
    if (member->kind != RunnerKind::kExpress) continue;
    if (!member->is_stuck && !member->is_held_up) return std::nullopt;
    ++unable;
  }
  return unable <= plan_.max_extra ? std::optional(RunnerKind::kExpress) : std::nullopt;
}

bool Crew::IsSurplus(const CrewMember& member) const {
  if (member.kind == RunnerKind::kWorker) return alive_ > wanted_;
  const auto is_able = [](const auto& one) {
    return one->kind == RunnerKind::kExpress && !one->is_stuck && !one->is_held_up;
  };
  return std::ranges::count_if(members_, is_able) > 1;
}

int Crew::TakeThreadsOfHeldUp() {
  if (wanted_ <= plan_.workers + stuck_) return 0;
  int threads = 0;
  for (const auto& member : members_) {
    if (member->is_held_up) threads += std::exchange(member->threads, 0);
  }
  return threads;
}

CrewMember* Crew::WakeOne(RunnerKind kind, bool for_several_threads) {
  CrewMember* chosen = nullptr;
  for (auto it = asleep_.rbegin(); it != asleep_.rend(); ++it) {
    CrewMember& one = **it;
    if (one.kind != kind) continue;
    const bool is_better =
        chosen == nullptr || (for_several_threads ? one.team > chosen->team : one.team < chosen->team);
    if (is_better) chosen = &one;
  }
  if (chosen == nullptr) return nullptr;
  IsAwake(*chosen);
  chosen->is_woken = true;
  chosen->wake.NotifyOne();
  return chosen;
}

void Crew::WakeAll() {
  for (CrewMember* member : asleep_) member->wake.NotifyOne();
}

// libgomp keeps a team for each thread that has run an operator with several. With more threads than processors in all
// teams together it lets them sleep after each operator, which costs two switches for every one.
void Crew::LimitTeams(CrewMember& member) {
  member.team = std::max(member.team, member.threads);
  int threads = 1;
  for (const auto& one : members_) threads += std::max(0, one->team - 1);
  for (const auto& one : members_) {
    if (threads <= plan_.threads) return;
    if (one.get() == &member || one->team <= 1 || one->has_to_release) continue;
    threads -= one->team - 1;
    one->has_to_release = true;
    one->wake.NotifyOne();
  }
}

}  // namespace torchferry::batching
