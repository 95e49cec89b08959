#include "server/rpc/transport/catch_to_status.h"

#include <absl/status/statusor.h>
#include <gtest/gtest.h>

#include <stdexcept>

namespace torchferry::rpc {
namespace {

TEST(CatchToStatusTest, GivesWhatItIsGiven) {
  EXPECT_EQ(CatchToStatus([] { return absl::NotFoundError("no"); }), absl::NotFoundError("no"));
  EXPECT_EQ(*CatchToStatus([] { return absl::StatusOr<int>(3); }), 3);
}

TEST(CatchToStatusTest, ExceptionsBecomeStatuses) {
  const auto no_memory = CatchToStatus([]() -> absl::StatusOr<int> { throw std::bad_alloc(); });
  EXPECT_EQ(no_memory.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(CatchToStatus([]() -> absl::Status { throw std::runtime_error("what"); }), absl::InternalError("what"));
}

}  // namespace
}  // namespace torchferry::rpc
