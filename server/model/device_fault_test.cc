#include "server/model/device_fault.h"

#include <gtest/gtest.h>

#include "server/base/status.h"

namespace torchferry::model {
namespace {

TEST(DeviceFaultTest, AStatusRemembersItsFault) {
  for (const DeviceFault fault :
       {DeviceFault::kOutOfMemory, DeviceFault::kUnsupported, DeviceFault::kTransient, DeviceFault::kLost}) {
    const absl::Status status = base::Annotate(DeviceFaultStatus(fault, "what happened"), "running on sim:0");
    EXPECT_EQ(DeviceFaultOf(status), fault);
    EXPECT_EQ(base::MessageOf(status), "running on sim:0: what happened");
  }
}

TEST(DeviceFaultTest, CodesAreThoseOfTheErrorTable) {
  EXPECT_EQ(DeviceFaultStatus(DeviceFault::kOutOfMemory, "").code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(DeviceFaultStatus(DeviceFault::kUnsupported, "").code(), absl::StatusCode::kInternal);
  EXPECT_EQ(DeviceFaultStatus(DeviceFault::kTransient, "").code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(DeviceFaultStatus(DeviceFault::kLost, "").code(), absl::StatusCode::kUnavailable);
}

TEST(DeviceFaultTest, OtherStatusesHaveNone) {
  EXPECT_EQ(DeviceFaultOf(absl::OkStatus()), DeviceFault::kNone);
  EXPECT_EQ(DeviceFaultOf(absl::UnavailableError("queue full")), DeviceFault::kNone);
}

TEST(DeviceFaultTest, AStatusGivesTheReasonOfAFallback) {
  using tensor::FallbackReason;
  const auto reason_of = [](const absl::Status& status) {
    return FallbackReasonOf(status, FallbackReason::kLoadFailed);
  };
  EXPECT_EQ(reason_of(DeviceFaultStatus(DeviceFault::kLost, "")), FallbackReason::kDeviceLost);
  EXPECT_EQ(reason_of(DeviceFaultStatus(DeviceFault::kOutOfMemory, "")), FallbackReason::kOutOfMemory);
  EXPECT_EQ(reason_of(absl::ResourceExhaustedError("no room")), FallbackReason::kOutOfMemory);
  EXPECT_EQ(reason_of(DeviceFaultStatus(DeviceFault::kTransient, "")), FallbackReason::kLoadFailed);
  EXPECT_EQ(reason_of(DeviceFaultStatus(DeviceFault::kUnsupported, "")), FallbackReason::kLoadFailed);
  EXPECT_EQ(reason_of(absl::InternalError("raised")), FallbackReason::kLoadFailed);
}

}  // namespace
}  // namespace torchferry::model
