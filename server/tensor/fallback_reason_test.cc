#include "server/tensor/fallback_reason.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

namespace torchferry::tensor {
namespace {

// Dashboards and clients compare these texts.
TEST(FallbackReasonTest, EveryReasonHasItsPublicName) {
  const std::map<std::string_view, FallbackReason> by_name = {
      {"", FallbackReason::kNone},
      {"absent", FallbackReason::kAbsent},
      {"no_room", FallbackReason::kNoRoom},
      {"out_of_memory", FallbackReason::kOutOfMemory},
      {"device_lost", FallbackReason::kDeviceLost},
      {"device_error", FallbackReason::kDeviceError},
      {"load_failed", FallbackReason::kLoadFailed},
      {"quantized", FallbackReason::kQuantized},
      {"stand_by", FallbackReason::kStandBy},
      {"parity", FallbackReason::kParity},
  };
  EXPECT_EQ(by_name.size(), kAllFallbackReasons.size());
  for (const FallbackReason reason : kAllFallbackReasons) {
    const auto found = by_name.find(Name(reason));
    ASSERT_NE(found, by_name.end()) << Name(reason);
    EXPECT_EQ(found->second, reason) << Name(reason);
  }
}

TEST(FallbackReasonTest, NoTwoReasonsShareAName) {
  std::set<std::string_view> names;
  for (const FallbackReason reason : kAllFallbackReasons) EXPECT_TRUE(names.insert(Name(reason)).second);
}

}  // namespace
}  // namespace torchferry::tensor
