#include "server/model/parity.h"

#include <gtest/gtest.h>

#include "server/base/status.h"

namespace torchferry::model {
namespace {

ParityInfo Info(const std::string& precision, ParityState state, int rows = 0) {
  ParityInfo info;
  info.device = "cuda:0";
  info.precision = precision;
  info.state = state;
  info.rows = rows;
  return info;
}

TEST(ParityRecordTest, APlacementThatIsCheckedAgainHasItsLastResult) {
  ParityRecord record;
  record.Set(Info("BF16", ParityState::kFailed));
  record.Set(Info("FP32", ParityState::kPassed));
  record.Set(Info("BF16", ParityState::kPassed, 2));
  const std::vector<ParityInfo> found = record.List();
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].precision, "BF16");
  EXPECT_EQ(found[0].state, ParityState::kPassed);
  EXPECT_EQ(found[0].rows, 2);
  EXPECT_EQ(found[1].precision, "FP32");
}

TEST(ParityStatusTest, StaysOneUnderAnnotations) {
  const absl::Status status = base::Annotate(ParityStatus("off by 3"), "m/1/model.pt");
  EXPECT_TRUE(IsOfParity(status));
  EXPECT_EQ(base::MessageOf(status), "m/1/model.pt: off by 3");
  EXPECT_FALSE(IsOfParity(absl::FailedPreconditionError("off by 3")));
  EXPECT_FALSE(IsOfParity(absl::OkStatus()));
}

TEST(ParityStateTest, HasTheNamesOfTheApi) {
  EXPECT_EQ(Name(ParityState::kNotChecked), "not_checked");
  EXPECT_EQ(Name(ParityState::kPassed), "passed");
  EXPECT_EQ(Name(ParityState::kFailed), "failed");
}

}  // namespace
}  // namespace torchferry::model
