#include "server/http/connection_table.h"

#include <gtest/gtest.h>

#include <vector>

namespace torchferry::http {
namespace {

TEST(ChooseToCloseTest, NobodyIsChosenAmongNone) { EXPECT_EQ(ChooseToClose({}), std::nullopt); }

TEST(ChooseToCloseTest, AnIdleOneGoesBeforeOneThatIsAnswered) {
  const std::vector<Occupant> occupants = {{.id = 1, .peer = "a", .stage = Stage::kAnswering, .since = 1},
                                           {.id = 2, .peer = "a", .stage = Stage::kReading, .since = 2},
                                           {.id = 3, .peer = "a", .stage = Stage::kIdle, .since = 3}};
  EXPECT_EQ(ChooseToClose(occupants), 3);
}

TEST(ChooseToCloseTest, OneThatIsEndingGoesFirst) {
  const std::vector<Occupant> occupants = {{.id = 1, .peer = "a", .stage = Stage::kIdle, .since = 1},
                                           {.id = 2, .peer = "a", .stage = Stage::kEnding, .since = 2}};
  EXPECT_EQ(ChooseToClose(occupants), 2);
}

TEST(ChooseToCloseTest, OfThoseThatReadTheSlowestGoes) {
  const std::vector<Occupant> occupants = {{.id = 1, .peer = "a", .stage = Stage::kReading, .since = 7},
                                           {.id = 2, .peer = "a", .stage = Stage::kReading, .since = 3},
                                           {.id = 3, .peer = "a", .stage = Stage::kReading, .since = 9}};
  EXPECT_EQ(ChooseToClose(occupants), 2);
}

TEST(ChooseToCloseTest, WhoHasManyLosesOneAndNotWhoHasOne) {
  const std::vector<Occupant> occupants = {{.id = 1, .peer = "scraper", .stage = Stage::kIdle, .since = 1},
                                           {.id = 2, .peer = "flood", .stage = Stage::kAnswering, .since = 2},
                                           {.id = 3, .peer = "flood", .stage = Stage::kAnswering, .since = 3}};
  EXPECT_EQ(ChooseToClose(occupants), 2);
}

TEST(ChooseToCloseTest, OfPeersWithAsManyTheOneThatIsMissedLeastLosesOne) {
  const std::vector<Occupant> occupants = {{.id = 1, .peer = "a", .stage = Stage::kAnswering, .since = 1},
                                           {.id = 2, .peer = "b", .stage = Stage::kIdle, .since = 5}};
  EXPECT_EQ(ChooseToClose(occupants), 2);
}

}  // namespace
}  // namespace torchferry::http
