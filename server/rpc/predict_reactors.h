// The reactors behind Predict and PredictStream, for any API: what an API has of its own is its codec.
#pragma once

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <utility>

#include "server/base/clock.h"
#include "server/rpc/predictor.h"
#include "server/rpc/status_map.h"
#include "server/rpc/stream_sessions.h"

namespace torchferry {

// Api has
//   RequestMessage, ResponseMessage, StreamMessage
//   static absl::StatusOr<Request> Decode(const RequestMessage&, TimePoint now): views; `deadline` as far as the message says
//   static absl::Status Encode(const Answer&, const RequestMessage&, ResponseMessage&)
//   static void EncodeForStream(const absl::StatusOr<Answer>&, const RequestMessage&, StreamMessage&)

// A call's deadline and whether it was given up.
class CallEnd {
 public:
  CallEnd(const grpc::CallbackServerContext& context, const Clock& clock) : clock_(clock) {
    // gRPC's deadline is a time of the day; ours is of the monotonic clock. "None" is a date far away, which would overflow.
    const auto left = context.deadline() - std::chrono::system_clock::now();
    if (left <= std::chrono::hours(24 * 365)) deadline_ = clock.Now() + std::chrono::duration_cast<Duration>(left);
  }

  void Cancel() { cancelled_->store(true, std::memory_order_relaxed); }

  template <typename Api>
  absl::StatusOr<Request> Decode(const typename Api::RequestMessage& message) const {
    absl::StatusOr<Request> request = Api::Decode(message, clock_.Now());
    if (request.ok()) {
      request->deadline = std::min(request->deadline, deadline_);
      request->is_cancelled = [cancelled = cancelled_] { return cancelled->load(std::memory_order_relaxed); };
    }
    return request;
  }

 private:
  const Clock& clock_;
  TimePoint deadline_ = kNoDeadline;
  const std::shared_ptr<std::atomic<bool>> cancelled_ = std::make_shared<std::atomic<bool>>(false);
};

// Lives until OnDone. The request and the response are gRPC's and live as long.
template <typename Api>
class PredictReactor final : public grpc::ServerUnaryReactor {
 public:
  PredictReactor(const grpc::CallbackServerContext& context, const Clock& clock) : end_(context, clock) {}

  void Start(Predictor& predictor, const typename Api::RequestMessage& message, typename Api::ResponseMessage& response) {
    absl::StatusOr<Request> request = end_.Decode<Api>(message);
    const int64_t version = request.ok() ? request->version : 0;
    predictor.Predict(message.model_name(), version, std::move(request), /*stream=*/nullptr,
                      [this, &message, &response](absl::StatusOr<Answer> answer) {
                        Finish(ToGrpc(answer.ok() ? Api::Encode(*answer, message, response) : answer.status()));
                      });
  }
  void OnCancel() override { end_.Cancel(); }
  void OnDone() override { delete this; }

 private:
  CallEnd end_;
};

// Reads one request, answers it, reads the next: answers are in order, and a client cannot flood the queue. Its sessions end
// with it.
template <typename Api>
class StreamReactor final : public grpc::ServerBidiReactor<typename Api::RequestMessage, typename Api::StreamMessage> {
 public:
  StreamReactor(Predictor& predictor, const grpc::CallbackServerContext& context, const Clock& clock)
      : predictor_(predictor), end_(context, clock) {
    this->StartRead(&message_);
  }

  void OnReadDone(bool ok) override {
    if (!ok) return this->Finish(grpc::Status::OK);  // the client has said all it had to say, or is gone
    absl::StatusOr<Request> request = end_.Decode<Api>(message_);
    const int64_t version = request.ok() ? request->version : 0;
    predictor_.Predict(message_.model_name(), version, std::move(request), &sessions_, [this](absl::StatusOr<Answer> answer) {
      response_.Clear();
      Api::EncodeForStream(answer, message_, response_);
      this->StartWrite(&response_);
    });
  }
  void OnWriteDone(bool ok) override {
    if (!ok) return this->Finish(grpc::Status(grpc::StatusCode::CANCELLED, "the client went away"));
    this->StartRead(&message_);
  }
  void OnCancel() override { end_.Cancel(); }
  void OnDone() override { delete this; }

 private:
  Predictor& predictor_;
  CallEnd end_;
  StreamSessions sessions_;
  typename Api::RequestMessage message_;
  typename Api::StreamMessage response_;
};

// For calls that are answered at once.
inline grpc::ServerUnaryReactor* FinishNow(grpc::CallbackServerContext* context, const absl::Status& status = absl::OkStatus()) {
  auto* reactor = context->DefaultReactor();
  reactor->Finish(ToGrpc(status));
  return reactor;
}

}  // namespace torchferry
