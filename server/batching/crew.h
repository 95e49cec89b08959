// Counts the threads that run batches: which of them sleep, are stuck, or are surplus. It is used under the scheduler's
// lock. It starts and joins no thread itself.
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

// One thread that runs batches.
class CrewMember {
 public:
  explicit CrewMember(RunnerKind runner_kind) : kind(runner_kind) {}
  virtual ~CrewMember() = default;

  const RunnerKind kind;
  std::thread thread;              // not set for a caller
  int thread_number = 0;           // the kernel's number of the thread
  base::CondVar wake;              // the thread sleeps on this
  bool is_woken = false;           // and removed from the sleeping members
  DispatchQueue* queue = nullptr;  // queue of the running batch; null: it runs no batch
  base::TimePoint began{};         // when that batch began
  int threads = 0;                 // operator threads that its batch has taken
  int team = 0;                    // threads that operators left to it, itself included
  bool has_to_release = false;     // it must end its team
  bool is_held_up = false;         // in one batch for kHeldUp (crew.cc) or longer
  bool is_stuck = false;           // in a pass that was given up
};

// Not thread-safe.
class Crew {
 public:
  struct Plan {
    int workers = 1;
    int threads = 1;    // operator threads, in all batches at the same time
    int max_extra = 0;  // max extra workers while others are stuck or held up
    bool has_express = false;
  };

  explicit Crew(Plan plan) : plan_(plan), wanted_(plan.workers) {}

  CrewMember& Add(std::unique_ptr<CrewMember> member);
  // The thread of `member` is about to end. The caller of TakeEnded joins it.
  void Leave(CrewMember& member);
  std::vector<std::unique_ptr<CrewMember>> TakeEnded() { return std::exchange(ended_, {}); }
  // Takes one remaining member when all are to end; null: no member remains. Callers are removed: their threads end by
  // themselves.
  std::unique_ptr<CrewMember> TakeLast();

  // The running pass of `member` was given up, as it does not end.
  void SetStuck(CrewMember& member);
  // The batch of `member` has ended. Returns whether `member` was stuck.
  bool EndBatch(CrewMember& member);
  // Marks members that have been in one batch for kHeldUp or longer.
  void MarkHeldUp(base::TimePoint now);

  // Sets how many workers there should be from now on, and returns the counts that it used. `others_wait`: see
  // WorkerCounts. Stuck express workers count as workers.
  WorkerCounts SetWanted(bool others_wait);
  WorkerCounts Counts(bool others_wait) const;
  // The kind of thread that is missing; empty: no thread is missing.
  std::optional<RunnerKind> Missing() const;
  bool IsSurplus(const CrewMember& member) const;
  bool HasSurplusWorkers() const { return alive_ > wanted_; }
  // Whether extra workers run, for queues that wait while others hold up the workers.
  bool AreForOthers() const { return alive_ > plan_.workers + stuck_; }
  // Takes the operator threads of batches that are held up, so that other batches may have them. 0 unless an extra
  // worker is wanted.
  int TakeThreadsOfHeldUp();

  // Counts `member` as asleep, until IsAwake or WakeOne.
  void FallsAsleep(CrewMember& member) { asleep_.push_back(&member); }
  void IsAwake(CrewMember& member) { std::erase(asleep_, &member); }
  // Wakes one sleeping member of `kind` and returns it; null: no such member sleeps. For a batch of several threads it
  // prefers the largest team, otherwise the smallest. Among equals it prefers the last one to fall asleep, whose memory
  // is warm.
  CrewMember* WakeOne(RunnerKind kind, bool for_several_threads);
  // Wakes all sleeping members, so that each checks whether it should end.
  void WakeAll();

  // A batch of several threads begins on `member`. Operators leave these threads to `member`, as a team. Where all
  // teams together exceed Plan::threads, other members must end theirs.
  void LimitTeams(CrewMember& member);

  int stuck_callers() const { return stuck_callers_; }

 private:
  int& StuckOf(RunnerKind kind);

  const Plan plan_;
  std::vector<std::unique_ptr<CrewMember>> members_;
  std::vector<std::unique_ptr<CrewMember>> ended_;
  std::vector<CrewMember*> asleep_;  // not woken yet; the last one fell asleep last
  int alive_ = 0;                    // workers
  int wanted_;
  int stuck_ = 0;
  int held_up_ = 0;
  int stuck_callers_ = 0;
  int stuck_express_ = 0;
};

}  // namespace torchferry::batching
