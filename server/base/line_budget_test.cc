#include "server/base/line_budget.h"

#include <gtest/gtest.h>

#include "server/base/running_model.h"

namespace torchferry::base {
namespace {

using std::chrono::seconds;

TEST(LineBudgetTest, TakesSoManyInAStretchAndCountsTheRest) {
  LineBudget budget(2, seconds(10));
  const TimePoint start{};
  EXPECT_EQ(budget.Take(start), 0u);
  EXPECT_EQ(budget.Take(start + seconds(1)), 0u);
  EXPECT_FALSE(budget.Take(start + seconds(2)).has_value());
  EXPECT_FALSE(budget.Take(start + seconds(9)).has_value());
  EXPECT_EQ(budget.Take(start + seconds(10)), 2u);
  EXPECT_EQ(budget.Take(start + seconds(11)), 0u);
}

TEST(RunningModelTest, IsTheInnermost) {
  EXPECT_EQ(RunningModel::Name(), "");
  const std::string outer = "a/1";
  const std::string inner = "b/2";
  {
    const RunningModel loading(outer);
    EXPECT_EQ(RunningModel::Name(), "a/1");
    {
      const RunningModel running(inner);
      EXPECT_EQ(RunningModel::Name(), "b/2");
    }
    EXPECT_EQ(RunningModel::Name(), "a/1");
  }
  EXPECT_EQ(RunningModel::Name(), "");
}

}  // namespace
}  // namespace torchferry::base
