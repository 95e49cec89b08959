#include "client/rpc/errors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

#include "server/base/status.h"

namespace torchferry::client {
namespace {

using ::testing::HasSubstr;

absl::Status Server(grpc::StatusCode code, const std::string& message) {
  return FromServer(grpc::Status(code, message), "127.0.0.1:8001");
}

TEST(ErrorsTest, MarksWhatIsTheServers) {
  EXPECT_TRUE(IsFromServer(Server(grpc::INVALID_ARGUMENT, "")));
  EXPECT_TRUE(IsFromServer(FromServer(absl::NotFoundError("in an answer"))));
  EXPECT_FALSE(IsFromServer(absl::InvalidArgumentError("local")));
  EXPECT_TRUE(FromServer(grpc::Status::OK, "").ok());
}

TEST(ErrorsTest, KeepsCodeAndMessageOfTheServer) {
  const absl::Status status = Server(grpc::FAILED_PRECONDITION, "it failed to load: because");
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(base::MessageOf(status), "it failed to load: because");
  EXPECT_EQ(base::MessageOf(Server(grpc::UNAVAILABLE, "the queue is full")), "the queue is full");
}

TEST(ErrorsTest, EachCodeIsOursOfThatName) {
  using enum absl::StatusCode;
  const std::pair<grpc::StatusCode, absl::StatusCode> kCodes[] = {{grpc::CANCELLED, kCancelled},
                                                                  {grpc::UNKNOWN, kUnknown},
                                                                  {grpc::INVALID_ARGUMENT, kInvalidArgument},
                                                                  {grpc::DEADLINE_EXCEEDED, kDeadlineExceeded},
                                                                  {grpc::NOT_FOUND, kNotFound},
                                                                  {grpc::ALREADY_EXISTS, kAlreadyExists},
                                                                  {grpc::PERMISSION_DENIED, kPermissionDenied},
                                                                  {grpc::RESOURCE_EXHAUSTED, kResourceExhausted},
                                                                  {grpc::FAILED_PRECONDITION, kFailedPrecondition},
                                                                  {grpc::ABORTED, kAborted},
                                                                  {grpc::OUT_OF_RANGE, kOutOfRange},
                                                                  {grpc::UNIMPLEMENTED, kUnimplemented},
                                                                  {grpc::INTERNAL, kInternal},
                                                                  {grpc::UNAVAILABLE, kUnavailable},
                                                                  {grpc::DATA_LOSS, kDataLoss},
                                                                  {grpc::UNAUTHENTICATED, kUnauthenticated}};
  for (const auto& [theirs, ours] : kCodes) EXPECT_EQ(Server(theirs, "").code(), ours);
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

}  // namespace
}  // namespace torchferry::client
