#include "client/errors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/base/status.h"

namespace torchferry::client {
namespace {

using ::testing::HasSubstr;

absl::Status Server(grpc::StatusCode code, const std::string& message) {
  return FromServer(grpc::Status(code, message), "127.0.0.1:8001");
}

TEST(ErrorsTest, ExitCodes) {
  EXPECT_EQ(ExitCodeOf(absl::OkStatus()), ExitCode::kOk);
  EXPECT_EQ(ExitCodeOf(FromServer(grpc::Status::OK, "")), ExitCode::kOk);
  EXPECT_EQ(ExitCodeOf(absl::InvalidArgumentError("local")), ExitCode::kUsage);
  EXPECT_EQ(ExitCodeOf(absl::NotFoundError("local")), ExitCode::kUsage);
  EXPECT_EQ(ExitCodeOf(Server(grpc::INVALID_ARGUMENT, "")), ExitCode::kServerError);
  EXPECT_EQ(ExitCodeOf(Server(grpc::NOT_FOUND, "")), ExitCode::kServerError);
  EXPECT_EQ(ExitCodeOf(Server(grpc::UNAVAILABLE, "")), ExitCode::kUnavailable);
  EXPECT_EQ(ExitCodeOf(Server(grpc::DEADLINE_EXCEEDED, "")), ExitCode::kDeadline);
}

TEST(ErrorsTest, KeepsCodeAndMessageOfTheServer) {
  const absl::Status status = Server(grpc::FAILED_PRECONDITION, "it failed to load: because");
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(base::MessageOf(status), "it failed to load: because");
  EXPECT_EQ(base::MessageOf(Server(grpc::UNAVAILABLE, "the queue is full")), "the queue is full");
}

TEST(ErrorsTest, SaysWhatToDoWhenNobodyAnswers) {
  EXPECT_THAT(base::MessageOf(Server(grpc::UNAVAILABLE,
                                     "failed to connect to all addresses; last error: UNKNOWN: "
                                     "ipv4:127.0.0.1:8001: Failed to connect to remote host")),
              HasSubstr("no server answers at 127.0.0.1:8001: start torchferry-server or pass "
                        "--address"));
  EXPECT_THAT(base::MessageOf(Server(grpc::UNAVAILABLE, "DNS resolution failed for x")), HasSubstr("check --address"));
  EXPECT_THAT(base::MessageOf(Server(grpc::DEADLINE_EXCEEDED, "Deadline Exceeded")), HasSubstr("raise --timeout"));
  EXPECT_THAT(base::MessageOf(Server(grpc::RESOURCE_EXHAUSTED, "Received message larger than max (5 vs. 4)")),
              HasSubstr("--max-message-mib"));
}

TEST(ErrorsTest, TextForPeopleAndForScripts) {
  const absl::Status status = absl::NotFoundError("no \"x\"\x1b[0m");
  EXPECT_EQ(ErrorText(status, false), "torchferry: NOT_FOUND: no \"x\"\\x1b[0m\n");
  EXPECT_EQ(ErrorText(status, true), "{\"error\":{\"code\":\"NOT_FOUND\",\"message\":\"no \\\"x\\\"\\u001b[0m\"}}\n");
}

}  // namespace
}  // namespace torchferry::client
