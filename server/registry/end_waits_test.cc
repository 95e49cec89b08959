#include "server/registry/end_waits.h"

#include <gtest/gtest.h>

#include <vector>

namespace torchferry::registry {
namespace {

TEST(EndWaitsTest, AnswersWhenTheLastOfThemHasEnded) {
  EndWaits waits;
  const int64_t first = waits.Begin();
  const int64_t second = waits.Begin();
  const int64_t other = waits.Begin();
  int answers = 0;
  waits.Await({first, second}, [&](const absl::Status&) { ++answers; });
  waits.End(second);
  waits.End(other);
  EXPECT_EQ(answers, 0);
  waits.End(first);
  EXPECT_EQ(answers, 1);
}

TEST(EndWaitsTest, AnswersAtOnceWhereAllHaveEnded) {
  EndWaits waits;
  const int64_t ended = waits.Begin();
  waits.End(ended);
  int answers = 0;
  waits.Await({ended}, [&](const absl::Status&) { ++answers; });
  waits.Await({}, [&](const absl::Status&) { ++answers; });
  EXPECT_EQ(answers, 2);
}

TEST(EndWaitsTest, DoesNotWaitForWhatHasEndedBefore) {
  EndWaits waits;
  const int64_t ended = waits.Begin();
  const int64_t alive = waits.Begin();
  waits.End(ended);
  int answers = 0;
  waits.Await({ended, alive}, [&](const absl::Status&) { ++answers; });
  EXPECT_EQ(answers, 0);
  waits.End(alive);
  EXPECT_EQ(answers, 1);
}

TEST(EndWaitsTest, AnswersEveryoneWhoWaits) {
  EndWaits waits;
  const int64_t generation = waits.Begin();
  int answers = 0;
  for (int i = 0; i < 2; ++i) waits.Await({generation}, [&](const absl::Status&) { ++answers; });
  waits.End(generation);
  EXPECT_EQ(answers, 2);
}

TEST(EndWaitsTest, AnAnswerMayWaitForSomethingElse) {
  EndWaits waits;
  const int64_t first = waits.Begin();
  const int64_t second = waits.Begin();
  bool is_answered = false;
  waits.Await({first},
              [&](const absl::Status&) { waits.Await({second}, [&](const absl::Status&) { is_answered = true; }); });
  waits.End(first);
  EXPECT_FALSE(is_answered);
  waits.End(second);
  EXPECT_TRUE(is_answered);
}

TEST(EndWaitsTest, WhoWaitsForOneThatDoesNotEndIsToldSo) {
  EndWaits waits;
  const int64_t stuck = waits.Begin();
  const int64_t sound = waits.Begin();
  std::vector<absl::StatusCode> answers;
  waits.Await({stuck, sound}, [&](const absl::Status& status) { answers.push_back(status.code()); });
  waits.GiveUp(stuck, absl::UnavailableError("does not end"));
  EXPECT_TRUE(answers.empty());
  waits.End(sound);
  waits.End(stuck);
  EXPECT_EQ(answers, std::vector{absl::StatusCode::kUnavailable});
}

}  // namespace
}  // namespace torchferry::registry
