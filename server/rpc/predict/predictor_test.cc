#include "server/rpc/predict/predictor.h"

#include <gmock/gmock.h>

#include "server/rpc/predict/metrics_observer.h"
#include "server/rpc/test_predict.h"

namespace torchferry::rpc {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// What an observer was told of one request, kept beyond the call.
struct Told {
  std::string method;
  std::string model;
  std::string request_id;
  int64_t asked = 0;      // version
  int64_t answering = 0;  // version; 0: none was found
  bool is_admitted = false;
  absl::StatusCode code = absl::StatusCode::kOk;
  std::string device;
  base::Duration duration{};
};

class Recorder final : public CallObserver {
 public:
  void OnBegin(const PredictCall& call) override {
    begun.push_back(Keep(call));
    if (on_begin) on_begin();
  }
  void OnEnd(const PredictCall& call, const PredictEnd& end) override {
    Told told = Keep(call);
    told.code = end.status.code();
    told.device = end.device;
    told.duration = end.duration;
    ended.push_back(told);
    EXPECT_FALSE(was_sent) << "an observer was told after the client";
  }

  std::vector<Told> begun;
  std::vector<Told> ended;
  std::function<void()> on_begin;
  bool was_sent = false;

 private:
  static Told Keep(const PredictCall& call) {
    return {std::string(call.head.method),
            call.head.model,
            call.head.request_id,
            call.version,
            call.servable != nullptr ? call.servable->version() : 0,
            call.is_admitted,
            {},
            {},
            {}};
  }
};

class PredictorTest : public PredictTest {
 protected:
  ~PredictorTest() override { WaitUntilEmpty(); }

  // An answer reaches the caller a moment before its request leaves.
  void WaitUntilEmpty() {
    EXPECT_TRUE(admission_.WaitUntilEmpty(base::Clock::Real().Now() + std::chrono::seconds(30)));
  }

  // Predicts and waits for the answer; `encoded` is then the last one.
  absl::Status Predict(const std::string& model, absl::StatusOr<Request> request, StreamSessions* stream = nullptr) {
    const std::string id = "id 7";
    recorder_.was_sent = false;
    const auto sent = std::make_shared<std::promise<absl::Status>>();
    predictor_.Predict({"Predict", model, id, caller_}, std::move(request), stream,
                       {.encode =
                            [this](const Answer& answer) {
                              encoded_ = answer;
                              return on_encode_ ? on_encode_() : absl::OkStatus();
                            },
                        .send =
                            [this, sent](const absl::Status& status) {
                              recorder_.was_sent = true;
                              sent->set_value(status);
                            }});
    return sent->get_future().get();
  }

  // The one request, which has begun and ended once.
  void ExpectTold(const std::string& model, int64_t asked, int64_t answering, absl::StatusCode code,
                  const std::string& device) {
    ASSERT_EQ(recorder_.begun.size(), 1U);
    ASSERT_EQ(recorder_.ended.size(), 1U);
    for (const Told& told : {recorder_.begun[0], recorder_.ended[0]}) {
      EXPECT_EQ(told.method, "Predict");
      EXPECT_EQ(told.model, model);
      EXPECT_EQ(told.request_id, "id 7");
      EXPECT_EQ(told.asked, asked);
      EXPECT_EQ(told.answering, answering);
      EXPECT_TRUE(told.is_admitted);
    }
    EXPECT_EQ(recorder_.ended[0].code, code) << absl::StatusCodeToString(recorder_.ended[0].code);
    EXPECT_EQ(recorder_.ended[0].device, device);
  }

  void ExpectCounted(const std::string& labels) {
    EXPECT_THAT(metrics_.Serialize(), HasSubstr("torchferry_requests_total{" + labels + "} 1\n"));
  }

  float x_ = 2;
  std::optional<Answer> encoded_;
  std::function<absl::Status()> on_encode_;
  Admission admission_;
  Recorder recorder_;
  MetricsObserver metrics_observer_{metrics_};
  const identity::Caller caller_ = identity::Caller::Unrestricted("ipv4:192.0.2.7:4711");
  Predictor predictor_{registry_, admission_, {&metrics_observer_, &recorder_}, base::Clock::Real()};
};

TEST_F(PredictorTest, AnAnswer) {
  EXPECT_EQ(Predict("plain", AskFor(x_)), absl::OkStatus());
  ExpectTold("plain", 0, 2, absl::StatusCode::kOk, "cpu");
  ASSERT_TRUE(encoded_.has_value());
  EXPECT_EQ(encoded_->model, "plain");
  EXPECT_EQ(encoded_->version, 2);
  ASSERT_EQ(encoded_->result.outputs.size(), 1U);
  EXPECT_EQ(encoded_->result.outputs[0].name, "sum");
  ExpectCounted(R"(code="OK",device="cpu",model="plain",version="2")");
}

TEST_F(PredictorTest, AnOlderVersionAnswersWhoAsksForIt) {
  EXPECT_EQ(Predict("plain", AskFor(x_, 1)), absl::OkStatus());
  ExpectTold("plain", 1, 1, absl::StatusCode::kOk, "cpu");
}

TEST_F(PredictorTest, AnInputThatDoesNotFitIsInvalid) {
  Request request = AskFor(x_);
  request.inputs["x"].shape = {1, 2};
  EXPECT_EQ(Predict("plain", request).code(), absl::StatusCode::kInvalidArgument);
  ExpectTold("plain", 0, 2, absl::StatusCode::kInvalidArgument, "");
  EXPECT_FALSE(encoded_.has_value());
  ExpectCounted(R"(code="INVALID_ARGUMENT",device="",model="plain",version="2")");
}

TEST_F(PredictorTest, WhatCannotBeDecodedIsToldAndCounted) {
  EXPECT_EQ(Predict("plain", absl::InvalidArgumentError("no dtype")), absl::InvalidArgumentError("no dtype"));
  ExpectTold("plain", 0, 2, absl::StatusCode::kInvalidArgument, "");
  ExpectCounted(R"(code="INVALID_ARGUMENT",device="",model="plain",version="2")");
}

TEST_F(PredictorTest, AnUnknownModelIsCountedWithoutItsName) {
  const absl::Status status = Predict("none", AskFor(x_, 7));
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(base::MessageOf(status), HasSubstr("model \"none\""));
  ExpectTold("none", 7, 0, absl::StatusCode::kNotFound, "");
  ExpectCounted(R"(code="NOT_FOUND",device="",model="",version="")");
}

TEST_F(PredictorTest, AModelWithoutANameIsInvalid) {
  EXPECT_EQ(Predict("", AskFor(x_)).code(), absl::StatusCode::kInvalidArgument);
  ExpectTold("", 0, 0, absl::StatusCode::kInvalidArgument, "");
}

TEST_F(PredictorTest, AModelsNameHasALimitBeforeItIsLookedFor) {
  EXPECT_EQ(Predict(std::string(1024, 'm'), AskFor(x_)).code(), absl::StatusCode::kNotFound);
  const absl::Status status = Predict(std::string(1025, 'm'), AskFor(x_));
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(base::MessageOf(status), HasSubstr("model_name has 1025 bytes"));
  EXPECT_LT(status.message().size(), 200U);
}

TEST_F(PredictorTest, AnAnswerOverTheLimitIsDroppedBeforeItIsEncoded) {
  Predictor predictor{registry_, admission_, {}, base::Clock::Real(), {.answer_bytes = 3}};
  const std::string id;
  const std::string model = "plain";
  bool is_encoded = false;
  const auto sent = std::make_shared<std::promise<absl::Status>>();
  predictor.Predict({"Predict", model, id, caller_}, AskFor(x_), nullptr,
                    {.encode =
                         [&](const Answer&) {
                           is_encoded = true;
                           return absl::OkStatus();
                         },
                     .send = [sent](const absl::Status& status) { sent->set_value(status); }});
  const absl::Status status = sent->get_future().get();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(base::MessageOf(status),
              HasSubstr("the answer has 7 bytes, of which output \"sum\" 4; expected at most 3"));
  EXPECT_FALSE(is_encoded);
  WaitUntilEmpty();  // the request leaves this predictor, which ends here
}

TEST_F(PredictorTest, AModelThatRaisesIsInternal) {
  x_ = -1;
  EXPECT_THAT(base::MessageOf(Predict("plain", AskFor(x_))), StartsWith("the model raised"));
  ExpectTold("plain", 0, 2, absl::StatusCode::kInternal, "");
}

TEST_F(PredictorTest, AnAnswerThatCannotBeEncodedIsItsErrorAndSaysWhereItRan) {
  on_encode_ = [] { return absl::InternalError("no form on the wire"); };
  EXPECT_EQ(Predict("plain", AskFor(x_)), absl::InternalError("no form on the wire"));
  ExpectTold("plain", 0, 2, absl::StatusCode::kInternal, "cpu");
  ExpectCounted(R"(code="INTERNAL",device="cpu",model="plain",version="2")");
}

TEST_F(PredictorTest, AnExceptionOfTheCodecIsAnError) {
  on_encode_ = []() -> absl::Status { throw std::bad_alloc(); };
  EXPECT_EQ(Predict("plain", AskFor(x_)).code(), absl::StatusCode::kResourceExhausted);
  ExpectTold("plain", 0, 2, absl::StatusCode::kResourceExhausted, "cpu");
}

TEST_F(PredictorTest, ACallerThatHasGoneIsCancelled) {
  Request request = AskFor(x_);
  request.is_cancelled = [] { return true; };
  EXPECT_EQ(Predict("plain", request).code(), absl::StatusCode::kCancelled);
  ExpectTold("plain", 0, 2, absl::StatusCode::kCancelled, "");
}

TEST_F(PredictorTest, ADeadlineThatHasPassedIsExceeded) {
  Request request = AskFor(x_);
  request.deadline = base::Clock::Real().Now() - std::chrono::seconds(1);
  EXPECT_EQ(Predict("plain", request).code(), absl::StatusCode::kDeadlineExceeded);
  ExpectTold("plain", 0, 2, absl::StatusCode::kDeadlineExceeded, "");
}

TEST_F(PredictorTest, AServerThatDrainsRefusesAndDoesNotCount) {
  admission_.Close(base::Clock::Real().Now());
  EXPECT_EQ(Predict("plain", AskFor(x_)).code(), absl::StatusCode::kUnavailable);
  ASSERT_EQ(recorder_.begun.size(), 1U);
  ASSERT_EQ(recorder_.ended.size(), 1U);
  EXPECT_FALSE(recorder_.ended[0].is_admitted);
  EXPECT_EQ(recorder_.ended[0].answering, 0);
  EXPECT_THAT(metrics_.Serialize(), ::testing::Not(HasSubstr("torchferry_requests_total{")));
  EXPECT_EQ(admission_.inside(), 0);
}

TEST_F(PredictorTest, EveryoneWhoCameInLeaves) {
  recorder_.on_begin = [this] {
    EXPECT_EQ(admission_.inside(), 1);
    EXPECT_THAT(metrics_.Serialize(), HasSubstr(R"(torchferry_in_flight_requests{model="plain",version="2"} 1)"));
  };
  EXPECT_EQ(Predict("plain", AskFor(x_)), absl::OkStatus());
  EXPECT_TRUE(admission_.WaitUntilEmpty(base::Clock::Real().Now() + std::chrono::seconds(30)));
  EXPECT_THAT(metrics_.Serialize(), HasSubstr(R"(torchferry_in_flight_requests{model="plain",version="2"} 0)"));
}

TEST_F(PredictorTest, OutputsAreSelectedByNameBeforeTheRunWhereTheyAreDeclared) {
  for (const char* model : {"plain", "declared"}) {
    Request request = AskFor(x_);
    request.wanted_outputs = {"sum"};
    EXPECT_EQ(Predict(model, request), absl::OkStatus());
    EXPECT_EQ(encoded_->result.outputs.size(), 1U);
    request.wanted_outputs = {"product"};
    EXPECT_EQ(Predict(model, request),
              absl::InvalidArgumentError("unknown output \"product\"; the model's outputs are \"sum\""));
  }
}

TEST_F(PredictorTest, ASequenceMeansNothingWithoutStateAndIsRefusedWithIt) {
  Request request = AskFor(x_);
  request.names_sequence = true;
  EXPECT_EQ(Predict("plain", request), absl::OkStatus());
  const absl::Status refused = Predict("stateful", request);
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(base::MessageOf(refused), HasSubstr("ModelStreamInfer stream"));
}

TEST_F(PredictorTest, AStreamsRequestsShareItsState) {
  StreamSessions stream;
  const auto sum = [&](StreamSessions* by) {
    EXPECT_EQ(Predict("stateful", AskFor(x_), by), absl::OkStatus());
    float value = 0;
    std::memcpy(&value, encoded_->result.outputs.at(0).tensor.bytes.data(), sizeof(value));
    return value;
  };
  EXPECT_EQ(sum(&stream), 2);
  EXPECT_EQ(sum(&stream), 4);
  EXPECT_EQ(sum(nullptr), 2);
  EXPECT_EQ(sum(&stream), 6);
}

}  // namespace
}  // namespace torchferry::rpc
