#include "server/rpc/transport/status_map.h"

#include <gtest/gtest.h>

#include <string>

#include "server/base/logging.h"

namespace torchferry::rpc {
namespace {

TEST(StatusMapTest, EachCodeIsGrpcsOfThatName) {
  using enum absl::StatusCode;
  const struct {
    absl::StatusCode ours;
    grpc::StatusCode grpc;
  } kCodes[] = {
      {kCancelled, grpc::CANCELLED},
      {kUnknown, grpc::UNKNOWN},
      {kInvalidArgument, grpc::INVALID_ARGUMENT},
      {kDeadlineExceeded, grpc::DEADLINE_EXCEEDED},
      {kNotFound, grpc::NOT_FOUND},
      {kAlreadyExists, grpc::ALREADY_EXISTS},
      {kPermissionDenied, grpc::PERMISSION_DENIED},
      {kResourceExhausted, grpc::RESOURCE_EXHAUSTED},
      {kFailedPrecondition, grpc::FAILED_PRECONDITION},
      {kAborted, grpc::ABORTED},
      {kOutOfRange, grpc::OUT_OF_RANGE},
      {kUnimplemented, grpc::UNIMPLEMENTED},
      {kInternal, grpc::INTERNAL},
      {kUnavailable, grpc::UNAVAILABLE},
      {kDataLoss, grpc::DATA_LOSS},
      {kUnauthenticated, grpc::UNAUTHENTICATED},
  };
  for (const auto& [ours, theirs] : kCodes) {
    const grpc::Status status = ToGrpc(absl::Status(ours, "why"));
    EXPECT_EQ(status.error_code(), theirs) << absl::StatusCodeToString(ours);
    EXPECT_EQ(status.error_message(), "why");
  }
}

TEST(StatusMapTest, OkIsOk) {
  EXPECT_TRUE(ToGrpc(absl::OkStatus()).ok());
  EXPECT_EQ(ToGrpc(absl::OkStatus()).error_message(), "");
}

TEST(StatusMapTest, AMessageOf3000BytesIsWhole) {
  const std::string longest(3000, 'x');
  EXPECT_EQ(ToGrpc(absl::InternalError(longest)).error_message(), longest);
}

TEST(StatusMapTest, ALongerMessageSaysWhereTheRestIs) {
  const base::LogCapture capture(base::LogLevel::kDebug);
  const std::string begin(3000, 'x');
  EXPECT_EQ(ToGrpc(absl::InternalError(begin + "y")).error_message(),
            begin + " … (the whole message is in the server's log)");
  EXPECT_EQ(ToGrpc(absl::NotFoundError(begin + "y")).error_message(),
            begin + " … (the whole message is in the server's log at --log-level debug)");
  const auto lines = capture.Lines();
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[1].level, base::LogLevel::kDebug);
  EXPECT_EQ(lines[1].text, "message cut short for its client code=NOT_FOUND error=" + begin + "y");
}

}  // namespace
}  // namespace torchferry::rpc
