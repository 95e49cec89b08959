#include "server/batching/worker_plan.h"

#include <gtest/gtest.h>

namespace torchferry::batching {
namespace {

TEST(WorkerPlanTest, AsPlannedWhileAllComeBack) {
  EXPECT_EQ(WorkersWanted({.planned = 2, .max_extra = 4, .alive = 2}), 2);
  EXPECT_EQ(WorkersWanted({.planned = 2, .max_extra = 4, .alive = 2, .others_wait = true}), 2);
}

TEST(WorkerPlanTest, EachStuckWorkerIsReplacedAsFarAsThereIsRoom) {
  EXPECT_EQ(WorkersWanted({.planned = 2, .max_extra = 4, .alive = 2, .stuck = 1}), 3);
  EXPECT_EQ(WorkersWanted({.planned = 2, .max_extra = 4, .alive = 3, .stuck = 3}), 5);
  EXPECT_EQ(WorkersWanted({.planned = 2, .max_extra = 4, .alive = 6, .stuck = 6, .others_wait = true}), 6);
  EXPECT_EQ(WorkersWanted({.planned = 2, .max_extra = 0, .alive = 2, .stuck = 1}), 2);
}

TEST(WorkerPlanTest, AReplacementGoesWhenTheStuckOneIsBack) {
  EXPECT_EQ(WorkersWanted({.planned = 2, .max_extra = 4, .alive = 3, .stuck = 0}), 2);
}

TEST(WorkerPlanTest, OneMoreForThoseWhoWaitBehindSlowModels) {
  EXPECT_EQ(WorkersWanted({.planned = 2, .max_extra = 4, .alive = 2, .held_up = 2}), 2);
  EXPECT_EQ(WorkersWanted({.planned = 2, .max_extra = 4, .alive = 2, .held_up = 2, .others_wait = true}), 3);
  EXPECT_EQ(WorkersWanted({.planned = 2, .max_extra = 4, .alive = 2, .held_up = 1, .others_wait = true}), 2);
  // It stays until they are back, and is not joined by another while it is free.
  EXPECT_EQ(WorkersWanted({.planned = 2, .max_extra = 4, .alive = 3, .held_up = 2, .others_wait = true}), 3);
  EXPECT_EQ(WorkersWanted({.planned = 2, .max_extra = 4, .alive = 3, .held_up = 1}), 3);
  EXPECT_EQ(WorkersWanted({.planned = 2, .max_extra = 4, .alive = 3, .held_up = 0}), 2);
  // Held up as well, by another model.
  EXPECT_EQ(WorkersWanted({.planned = 2, .max_extra = 4, .alive = 3, .held_up = 3, .others_wait = true}), 4);
  EXPECT_EQ(WorkersWanted({.planned = 2, .max_extra = 4, .alive = 6, .held_up = 6, .others_wait = true}), 6);
}

TEST(WorkerPlanTest, NoneIsFreeWhenAllAreStuckOrHeldUp) {
  EXPECT_FALSE(IsNoneFree({.alive = 3, .stuck = 1, .held_up = 1}));
  EXPECT_TRUE(IsNoneFree({.alive = 3, .stuck = 2, .held_up = 1}));
}

}  // namespace
}  // namespace torchferry::batching
