#include "server/serving/choose_placement.h"

#include <gtest/gtest.h>

#include <vector>

#include "server/serving/row_limit.h"

namespace torchferry::serving {
namespace {

PlacementView View(DeviceState device, bool is_built, bool is_building = false, bool has_failed = false,
                   bool is_resting = false) {
  return {device, is_built, is_building, has_failed, is_resting};
}

constexpr DeviceState kUp = DeviceState::kUp;

TEST(ChoosePlacementTest, TheFirstThatIsMadeOnADeviceThatIsUp) {
  EXPECT_EQ(ChoosePlacement(std::vector{View(kUp, true), View(kUp, true)}, 0).run, 0u);
  EXPECT_EQ(ChoosePlacement(std::vector{View(DeviceState::kLost, true), View(kUp, true)}, 0).run, 1u);
  EXPECT_EQ(ChoosePlacement(std::vector{View(DeviceState::kProbation, true), View(kUp, true)}, 0).run, 1u);
}

TEST(ChoosePlacementTest, NotWhereTheBatchHasBeen) {
  const std::vector views = {View(kUp, true), View(kUp, true), View(kUp, true)};
  EXPECT_EQ(ChoosePlacement(views, 0b001).run, 1u);
  EXPECT_EQ(ChoosePlacement(views, 0b011).run, 2u);
  EXPECT_EQ(ChoosePlacement(views, 0b111).run, std::nullopt);
}

TEST(ChoosePlacementTest, ABetterOneIsMadeWhileAnotherServes) {
  const PlacementChoice choice =
      ChoosePlacement(std::vector{View(DeviceState::kLost, true), View(kUp, false), View(kUp, true)}, 0);
  EXPECT_EQ(choice.run, 2u);
  EXPECT_EQ(choice.build, 1u);
}

TEST(ChoosePlacementTest, AWorseOneIsNotMadeWhileABetterServes) {
  EXPECT_EQ(ChoosePlacement(std::vector{View(kUp, true), View(kUp, false)}, 0).build, std::nullopt);
}

TEST(ChoosePlacementTest, OneThatIsBeingMadeIsWaitedForAndOneThatFailedIsNot) {
  const PlacementChoice building =
      ChoosePlacement(std::vector{View(DeviceState::kLost, true), View(kUp, false, true)}, 0);
  EXPECT_EQ(building.run, std::nullopt);
  EXPECT_TRUE(building.may_come);
  const PlacementChoice failed =
      ChoosePlacement(std::vector{View(DeviceState::kLost, true), View(kUp, false, false, true)}, 0);
  EXPECT_EQ(failed.build, std::nullopt);
  EXPECT_FALSE(failed.may_come);
}

TEST(ChoosePlacementTest, OneThatRestsIsTakenWhenThereIsNoOther) {
  EXPECT_EQ(ChoosePlacement(std::vector{View(kUp, true, false, false, true), View(kUp, true)}, 0).run, 1u);
  const PlacementChoice alone = ChoosePlacement(std::vector{View(kUp, true, false, false, true), View(kUp, false)}, 0);
  EXPECT_EQ(alone.run, 0u);
  EXPECT_EQ(alone.build, 1u);
}

class RowLimitTest : public ::testing::Test {
 protected:
  base::TimePoint At(double seconds) const {
    return begin_ + std::chrono::duration_cast<base::Duration>(std::chrono::duration<double>(seconds));
  }

  const base::TimePoint begin_{};
  RowLimit limit_;
};

TEST_F(RowLimitTest, HalvesAndForgetsAfterAWhile) {
  EXPECT_EQ(limit_.At(At(0)), std::nullopt);
  limit_.OutOfMemory(8, At(0));
  EXPECT_EQ(limit_.At(At(0.1)), 4);
  limit_.OutOfMemory(4, At(0.1));
  EXPECT_EQ(limit_.At(At(0.2)), 2);
  limit_.OutOfMemory(8, At(0.2));  // was in flight
  EXPECT_EQ(limit_.At(At(0.3)), 2);
  EXPECT_EQ(limit_.At(At(1.3)), std::nullopt);
}

TEST_F(RowLimitTest, WaitsLongerEachTimeThatItIsTriedInVain) {
  limit_.OutOfMemory(8, At(0));
  limit_.OutOfMemory(8, At(1.5));
  EXPECT_EQ(limit_.At(At(3.4)), 4);
  limit_.OutOfMemory(8, At(3.6));
  EXPECT_EQ(limit_.At(At(7.5)), 4);
  limit_.RecordFit(8);
  EXPECT_EQ(limit_.At(At(7.5)), std::nullopt);
  limit_.OutOfMemory(8, At(8));
  EXPECT_EQ(limit_.At(At(9.5)), std::nullopt);
}

TEST_F(RowLimitTest, OneRowIsForgivenOnce) {
  limit_.OutOfMemory(1, At(0));
  EXPECT_EQ(limit_.At(At(0)), std::nullopt);
  limit_.RecordFit(1);
  limit_.OutOfMemory(1, At(0));
  EXPECT_EQ(limit_.At(At(0)), std::nullopt);
  limit_.OutOfMemory(1, At(0.1));
  EXPECT_EQ(limit_.At(At(0.5)), 0);
}

}  // namespace
}  // namespace torchferry::serving
