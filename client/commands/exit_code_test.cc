#include "client/commands/exit_code.h"

#include <gtest/gtest.h>

#include "client/rpc/errors.h"

namespace torchferry::client {
namespace {

absl::Status Server(grpc::StatusCode code) { return FromServer(grpc::Status(code, ""), "127.0.0.1:8001"); }

TEST(ExitCodeTest, TellsTheServersErrorsFromTheUsers) {
  EXPECT_EQ(ExitCodeOf(absl::OkStatus()), ExitCode::kOk);
  EXPECT_EQ(ExitCodeOf(FromServer(grpc::Status::OK, "")), ExitCode::kOk);
  EXPECT_EQ(ExitCodeOf(absl::InvalidArgumentError("local")), ExitCode::kUsage);
  EXPECT_EQ(ExitCodeOf(absl::NotFoundError("local")), ExitCode::kUsage);
  EXPECT_EQ(ExitCodeOf(Server(grpc::INVALID_ARGUMENT)), ExitCode::kServerError);
  EXPECT_EQ(ExitCodeOf(Server(grpc::NOT_FOUND)), ExitCode::kServerError);
  EXPECT_EQ(ExitCodeOf(Server(grpc::UNAVAILABLE)), ExitCode::kUnavailable);
  EXPECT_EQ(ExitCodeOf(Server(grpc::DEADLINE_EXCEEDED)), ExitCode::kDeadline);
}

TEST(ExitCodeTest, ErrorsAreForPeopleAndForScripts) {
  const absl::Status status = absl::NotFoundError("no \"x\"\x1b[0m");
  EXPECT_EQ(ErrorText(status, false), "torchferry: NOT_FOUND: no \"x\"\\x1b[0m\n");
  EXPECT_EQ(ErrorText(status, true), "{\"error\":{\"code\":\"NOT_FOUND\",\"message\":\"no \\\"x\\\"\\u001b[0m\"}}\n");
}

}  // namespace
}  // namespace torchferry::client
