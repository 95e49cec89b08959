#include "server/rpc/predict/request_log.h"

#include <gmock/gmock.h>

#include "server/base/logging.h"
#include "server/rpc/test_predict.h"

namespace torchferry::rpc {
namespace {

using ::testing::IsEmpty;

class RequestLogTest : public PredictTest {
 protected:
  // A request that asked for version 0 of "plain" and that version 2 of it answers.
  void End(const absl::Status& status, const std::string& device, const std::string& request_id = "") {
    const PredictCall call = {.head = {"Predict", model_, request_id, caller_}, .servable = servable_.get()};
    log_.OnBegin(call);
    log_.OnEnd(call, {status, device, std::chrono::nanoseconds(1234567)});
  }

  static std::string OnlyLine(const base::LogCapture& capture, base::LogLevel level) {
    const auto lines = capture.Lines();
    EXPECT_EQ(lines.size(), 1U);
    if (lines.size() != 1) return "";
    EXPECT_EQ(lines[0].level, level);
    return lines[0].text;
  }

  const identity::Caller caller_ = identity::Caller::Unrestricted("ipv4:192.0.2.7:4711");
  std::string model_ = "plain";
  std::shared_ptr<serving::Servable> servable_ = Find("plain");
  RequestLog log_;
};

TEST_F(RequestLogTest, EachRequestIsALineAtDebug) {
  const base::LogCapture capture(base::LogLevel::kDebug);
  End(absl::OkStatus(), "cuda:1", "frame-7");
  EXPECT_EQ(OnlyLine(capture, base::LogLevel::kDebug),
            "request method=Predict model=plain version=2 device=cuda:1 code=OK milliseconds=1.235 request_id=frame-7");
}

TEST_F(RequestLogTest, ARequestWithoutAnIdOrADeviceHasALineToo) {
  const base::LogCapture capture(base::LogLevel::kDebug);
  servable_ = nullptr;
  model_ = "none";
  End(absl::NotFoundError("model \"none\" is not in the store"), "");
  EXPECT_EQ(OnlyLine(capture, base::LogLevel::kDebug),
            "request method=Predict model=none version=0 device=\"\" code=NOT_FOUND milliseconds=1.235 "
            R"(error="model \"none\" is not in the store")");
}

TEST_F(RequestLogTest, WhatClientsSayIsQuotedAndCut) {
  const base::LogCapture capture(base::LogLevel::kDebug);
  servable_ = nullptr;
  model_ = "a\nW request code=\"OK\"";
  End(absl::OkStatus(), "cpu", std::string(257, 'x'));
  EXPECT_EQ(OnlyLine(capture, base::LogLevel::kDebug),
            R"(request method=Predict model="a\nW request code=\"OK\"" version=0 device=cpu code=OK )"
            "milliseconds=1.235 request_id=\"" +
                std::string(256, 'x') + "…\"");
}

TEST_F(RequestLogTest, AboveDebugOnlyInternalErrorsAreLogged) {
  const base::LogCapture capture(base::LogLevel::kInfo);
  End(absl::OkStatus(), "cpu");
  End(absl::InvalidArgumentError("x"), "");
  End(absl::UnavailableError("x"), "");
  End(absl::CancelledError("x"), "");
  End(absl::DeadlineExceededError("x"), "");
  EXPECT_THAT(capture.Lines(), IsEmpty());
  End(absl::InternalError("why"), "");
  EXPECT_EQ(OnlyLine(capture, base::LogLevel::kWarning),
            "request method=Predict model=plain version=2 device=\"\" code=INTERNAL milliseconds=1.235 error=why");
}

TEST_F(RequestLogTest, AnInternalErrorsMessageIsWhole) {
  const base::LogCapture capture(base::LogLevel::kWarning);
  const std::string message(16'000, 'x');  // more is cut by the log
  End(absl::InternalError(message), "");
  EXPECT_EQ(
      OnlyLine(capture, base::LogLevel::kWarning),
      "request method=Predict model=plain version=2 device=\"\" code=INTERNAL milliseconds=1.235 error=" + message);
}

}  // namespace
}  // namespace torchferry::rpc
