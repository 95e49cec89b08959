// Predict and PredictStream, for any API: what an API has of its own is its codec.
#pragma once

#include <algorithm>
#include <atomic>
#include <memory>
#include <utility>

#include "server/base/clock.h"
#include "server/rpc/predict/predictor.h"
#include "server/rpc/predict/stream_sessions.h"
#include "server/rpc/transport/call.h"
#include "server/rpc/transport/guarded.h"

namespace torchferry::rpc {

// Api has
//   RequestMessage, ResponseMessage, StreamMessage
//   static absl::StatusOr<Request> Decode(const RequestMessage&, TimePoint now): views; `deadline` as far as the
//   message says static absl::Status Encode(const Answer&, const RequestMessage&, ResponseMessage&) static void
//   EncodeForStream(const absl::StatusOr<Answer>&, const RequestMessage&, StreamMessage&)

// Of Predict, that may come in one reading of the network without waiting for one another.
constexpr int kPredictsAtOnce = 32;

// Decodes `message`, which came by `call`.
template <typename Api>
absl::StatusOr<Request> DecodeFor(const Call& call, const typename Api::RequestMessage& message,
                                  const base::Clock& clock) {
  absl::StatusOr<Request> request = Guarded([&] { return Api::Decode(message, clock.Now()); });
  if (request.ok()) {
    request->deadline = std::min(request->deadline, call.DeadlineOn(clock));
    request->is_cancelled = [&call] { return call.IsCancelled(); };
  }
  return request;
}

template <typename Api>
void StartPredict(Predictor& predictor, const base::Clock& clock,
                  UnaryCall<typename Api::RequestMessage, typename Api::ResponseMessage>& call) {
  absl::StatusOr<Request> request = DecodeFor<Api>(call, call.request(), clock);
  const int64_t version = request.ok() ? request->version : 0;
  predictor.Predict(call.request().model_name(), version, std::move(request), /*stream=*/nullptr,
                    [&call](absl::StatusOr<Answer> answer) {
                      call.Finish(answer.ok()
                                      ? Guarded([&] { return Api::Encode(*answer, call.request(), call.response()); })
                                      : answer.status());
                    });
}

// Reads one request, answers it, reads the next: answers are in order, and a client cannot flood the queue. Its
// sessions end with it.
template <typename Api>
class PredictStreamHandler final : public StreamHandler {
 public:
  using Stream = BidiCall<typename Api::RequestMessage, typename Api::StreamMessage>;

  PredictStreamHandler(Predictor& predictor, const base::Clock& clock, Stream& call)
      : predictor_(predictor), clock_(clock), call_(call) {
    call_.Read(&message_);
  }

  void OnRead(bool ok) override {
    if (!ok) return call_.Finish(absl::OkStatus());  // the client has said all it had to say, or is gone
    absl::StatusOr<Request> request = DecodeFor<Api>(call_, message_, clock_);
    const int64_t version = request.ok() ? request->version : 0;
    predictor_.Predict(message_.model_name(), version, std::move(request), &sessions_,
                       [this](absl::StatusOr<Answer> answer) {
                         const absl::Status encoded = Guarded([&] {
                           response_.Clear();
                           Api::EncodeForStream(answer, message_, response_);
                           return absl::OkStatus();
                         });
                         if (!encoded.ok()) Api::EncodeForStream(encoded, message_, response_);
                         call_.Write(response_);
                       });
  }
  void OnWritten(bool ok) override {
    if (!ok) return call_.Finish(absl::CancelledError("the client went away"));
    call_.Read(&message_);
  }

 private:
  Predictor& predictor_;
  const base::Clock& clock_;
  Stream& call_;
  StreamSessions sessions_;
  typename Api::RequestMessage message_;
  typename Api::StreamMessage response_;
};

}  // namespace torchferry::rpc
