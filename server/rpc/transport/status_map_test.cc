#include "server/rpc/transport/status_map.h"

#include <gtest/gtest.h>

#include <string>

#include "server/base/logging.h"
#include "server/base/utf8.h"

namespace torchferry::rpc {
namespace {

std::string Repeated(const std::string& piece, int times) {
  std::string text;
  for (int i = 0; i < times; ++i) text += piece;
  return text;
}

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

TEST(StatusMapTest, ACutDoesNotDivideACharacter) {
  const std::string message = ToGrpc(absl::NotFoundError("x" + Repeated("é", 1600))).error_message();
  EXPECT_TRUE(base::IsUtf8(message));
  EXPECT_NE(message.find("é …"), std::string::npos);
}

// gRPC writes each byte that is no printable ASCII as three; headers end at 8 KiB.
TEST(StatusMapTest, AMessageFitsIntoHeadersWhateverItIsMadeOf) {
  for (const std::string piece : {"漢", "\n", "%", "\xff", "𝄞"}) {
    const std::string message = ToGrpc(absl::InvalidArgumentError(Repeated(piece, 3000))).error_message();
    size_t encoded = 0;
    for (const char c : message) encoded += c >= ' ' && c <= '~' && c != '%' ? 1 : 3;
    EXPECT_LT(encoded, 6200U) << piece;
    EXPECT_TRUE(base::IsUtf8(message)) << piece;
  }
}

TEST(StatusMapTest, BytesThatAreNotUtf8AreWrittenOut) {
  EXPECT_EQ(ToGrpc(absl::InternalError("caf\xe9")).error_message(), "caf\\xe9");
  EXPECT_EQ(MessageForField(absl::InternalError("caf\xe9")), "caf\\xe9");
}

TEST(StatusMapTest, AFieldHoldsMoreThanAHeaderButNotAnything) {
  EXPECT_EQ(MessageForField(absl::InternalError(std::string(65'536, 'x'))).size(), 65'536U);
  EXPECT_EQ(MessageForField(absl::InternalError(std::string(1'000'000, 'x'))), std::string(65'536, 'x') + "…");
}

}  // namespace
}  // namespace torchferry::rpc
