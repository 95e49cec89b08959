#include "server/rpc/transport/guarded.h"

#include <absl/status/statusor.h>
#include <gtest/gtest.h>

#include <stdexcept>

namespace torchferry::rpc {
namespace {

TEST(GuardedTest, GivesWhatItIsGiven) {
  EXPECT_EQ(Guarded([] { return absl::NotFoundError("no"); }), absl::NotFoundError("no"));
  EXPECT_EQ(*Guarded([] { return absl::StatusOr<int>(3); }), 3);
}

TEST(GuardedTest, ExceptionsBecomeStatuses) {
  const auto no_memory = Guarded([]() -> absl::StatusOr<int> { throw std::bad_alloc(); });
  EXPECT_EQ(no_memory.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(Guarded([]() -> absl::Status { throw std::runtime_error("what"); }), absl::InternalError("what"));
}

}  // namespace
}  // namespace torchferry::rpc
