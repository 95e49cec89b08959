#include "server/batching/crew.h"

#include <gtest/gtest.h>

#include <memory>

#include "server/batching/test_tasks.h"

namespace torchferry::batching {
namespace {

class CrewTest : public testing::Test {
 protected:
  CrewMember& Add(RunnerKind kind) { return crew_.Add(std::make_unique<CrewMember>(kind)); }
  void Begin(CrewMember& member, int threads = 1) {
    member.queue = &queue_;
    member.began = base::TimePoint{};
    member.threads = threads;
    if (threads > 1) crew_.LimitTeams(member);
  }

  FakeHandler handler_;
  DispatchQueue queue_{UpTo(0), handler_};
  Crew crew_{{.workers = 2, .threads = 4, .max_extra = 1, .has_express = true}};
};

TEST_F(CrewTest, WorkersAndOneExpressWorkerAreWanted) {
  EXPECT_EQ(crew_.Missing(), RunnerKind::kWorker);
  Add(RunnerKind::kWorker);
  Add(RunnerKind::kWorker);
  EXPECT_EQ(crew_.Missing(), RunnerKind::kExpress);
  Add(RunnerKind::kExpress);
  EXPECT_EQ(crew_.Missing(), std::nullopt);
}

TEST_F(CrewTest, AStuckExpressWorkerIsReplacedAsOftenAsWorkersMayBe) {
  Add(RunnerKind::kWorker);
  Add(RunnerKind::kWorker);
  CrewMember& first = Add(RunnerKind::kExpress);
  Begin(first);
  crew_.SetStuck(first);
  EXPECT_EQ(crew_.stuck_callers(), 0);
  EXPECT_EQ(crew_.Counts(false).stuck, 1);
  EXPECT_EQ(crew_.Counts(false).alive, 3);
  crew_.SetWanted(false);
  ASSERT_EQ(crew_.Missing(), RunnerKind::kExpress);
  CrewMember& second = Add(RunnerKind::kExpress);
  EXPECT_EQ(crew_.Missing(), std::nullopt);
  EXPECT_FALSE(crew_.IsSurplus(second));
  Begin(second);
  crew_.SetStuck(second);
  EXPECT_EQ(crew_.Missing(), std::nullopt) << "as many as there may be";
  EXPECT_TRUE(crew_.EndBatch(first));
  EXPECT_EQ(queue_.stuck, 1);
}

TEST_F(CrewTest, WhoSleptLastIsWokenAndATeamIsUsedAgain) {
  CrewMember& a = Add(RunnerKind::kWorker);
  CrewMember& b = Add(RunnerKind::kWorker);
  crew_.FallsAsleep(a);
  crew_.FallsAsleep(b);
  EXPECT_EQ(crew_.WakeOne(RunnerKind::kWorker, false), &b);
  crew_.FallsAsleep(b);
  a.team = 2;
  EXPECT_EQ(crew_.WakeOne(RunnerKind::kWorker, true), &a) << "it has the threads";
  EXPECT_EQ(crew_.WakeOne(RunnerKind::kExpress, false), nullptr);
}

TEST_F(CrewTest, TeamsAreNoMoreThreadsThanThereAreProcessors) {
  CrewMember& a = Add(RunnerKind::kWorker);
  CrewMember& b = Add(RunnerKind::kWorker);
  Begin(a, 4);
  EXPECT_EQ(a.team, 4);
  crew_.EndBatch(a);
  Begin(b, 2);
  EXPECT_TRUE(a.has_to_release);
  EXPECT_FALSE(b.has_to_release);
}

TEST_F(CrewTest, TeamsThatFitStay) {
  CrewMember& a = Add(RunnerKind::kWorker);
  CrewMember& b = Add(RunnerKind::kWorker);
  Begin(a, 2);
  Begin(b, 2);
  EXPECT_FALSE(a.has_to_release);
  EXPECT_FALSE(b.has_to_release);
}

TEST_F(CrewTest, WhatIsInABatchForLongIsHeldUp) {
  CrewMember& worker = Add(RunnerKind::kWorker);
  Begin(worker);
  crew_.MarkHeldUp(base::TimePoint{} + std::chrono::seconds(4));
  EXPECT_EQ(queue_.held_up, 0);
  crew_.MarkHeldUp(base::TimePoint{} + std::chrono::seconds(6));
  EXPECT_EQ(queue_.held_up, 1);
  EXPECT_EQ(crew_.Counts(false).held_up, 1);
  EXPECT_FALSE(crew_.EndBatch(worker));
  EXPECT_EQ(queue_.held_up, 0);
}

}  // namespace
}  // namespace torchferry::batching
