// The threads that run batches, as they are counted: who sleeps, who is stuck, who is one too many. Under the
// scheduler's lock; starts and joins no thread itself.
#pragma once

#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/batching/dispatcher.h"
#include "server/batching/worker_plan.h"

namespace torchferry::batching {

// One of them.
class CrewMember {
 public:
  explicit CrewMember(RunnerKind runner_kind) : kind(runner_kind) {}
  virtual ~CrewMember() = default;

  const RunnerKind kind;
  std::thread thread;              // not of a caller
  int thread_number = 0;           // the kernel's
  base::CondVar wake;              // it sleeps on this
  bool is_woken = false;           // and is not among those asleep any more
  DispatchQueue* queue = nullptr;  // whose batch it runs; null: none
  base::TimePoint began{};         // that
  int threads = 0;                 // that it has taken of the workers'
  int team = 0;                    // threads that operators have left to it, with its own
  bool has_to_release = false;     // these
  bool is_held_up = false;         // in one batch for long
  bool is_stuck = false;           // in a pass that was given up
};

// Not thread-safe.
class Crew {
 public:
  struct Plan {
    int workers = 1;
    int threads = 1;    // of operators, in all batches at the same time
    int max_extra = 0;  // workers beside the others, while those are stuck or held up
    bool has_express = false;
  };

  explicit Crew(Plan plan) : plan_(plan), wanted_(plan.workers) {}

  CrewMember& Add(std::unique_ptr<CrewMember> member);
  // Its thread is about to end, and is to be joined by who takes it with TakeEnded.
  void Leave(CrewMember& member);
  std::vector<std::unique_ptr<CrewMember>> TakeEnded() { return std::exchange(ended_, {}); }
  // One that is left when all are to end, without callers, which end by themselves; null: there is none.
  std::unique_ptr<CrewMember> TakeLast();

  // The running pass of `member` does not end.
  void SetStuck(CrewMember& member);
  // Its batch has ended. Whether it was stuck.
  bool EndBatch(CrewMember& member);
  // Those that have been in one batch for long.
  void MarkHeldUp(base::TimePoint now);

  // How many workers there should be, from now on; what was counted for that. `others_wait`: see WorkerCounts. Express
  // workers count where they are stuck.
  WorkerCounts SetWanted(bool others_wait);
  WorkerCounts Counts(bool others_wait) const;
  // Which kind of thread is missing; nothing: none is.
  std::optional<RunnerKind> Missing() const;
  bool IsSurplus(const CrewMember& member) const;
  bool HasSurplusWorkers() const { return alive_ > wanted_; }
  // Workers that are there for those who wait for what is held up.
  bool AreForOthers() const { return alive_ > plan_.workers + stuck_; }
  // Threads of batches that are held up, which others may have now.
  int TakeThreadsOfHeldUp();

  // To be kept while it sleeps.
  void FallsAsleep(CrewMember& member) { asleep_.push_back(&member); }
  void IsAwake(CrewMember& member) { std::erase(asleep_, &member); }
  // Wakes one of those that sleep; null: none does. Of those that slept last, whose memory is warm: for a batch of
  // several threads one that has them, else one that has none.
  CrewMember* WakeOne(RunnerKind kind, bool for_several_threads);
  // So that each looks whether it should still be there.
  void WakeAll();

  // A batch of several threads begins. Operators leave these to its thread, as a team. Where all teams together are
  // more than there are processors, others have to end theirs.
  void LimitTeams(CrewMember& member);

  int stuck_callers() const { return stuck_callers_; }

 private:
  int& StuckOf(RunnerKind kind);

  const Plan plan_;
  std::vector<std::unique_ptr<CrewMember>> members_;
  std::vector<std::unique_ptr<CrewMember>> ended_;
  std::vector<CrewMember*> asleep_;  // and not woken; the one that slept last is the last
  int alive_ = 0;                    // workers
  int wanted_;
  int stuck_ = 0;
  int held_up_ = 0;
  int stuck_callers_ = 0;
  int stuck_express_ = 0;
};

}  // namespace torchferry::batching
