// Predict and PredictStream, for any API: what an API has of its own is its codec.
#pragma once

#include <algorithm>
#include <memory>
#include <utility>

#include "server/base/clock.h"
#include "server/base/status.h"
#include "server/rpc/predict/predictor.h"
#include "server/rpc/predict/stream_sessions.h"
#include "server/rpc/transport/call.h"
#include "server/rpc/transport/guarded.h"
#include "server/rpc/transport/outgoing.h"

namespace torchferry::rpc {

// Api has
//   RequestMessage, ResponseMessage, StreamMessage
//   kMethod, kStreamMethod: the names of the two in the service
//   static const std::string& RequestId(const RequestMessage&)
//   static absl::StatusOr<Request> Decode(const RequestMessage&, TimePoint now): views; `deadline` as far as the
//     message says
//   static absl::Status Encode(const Answer&, const RequestMessage&, OutgoingMessage&): a ResponseMessage
//   static absl::Status EncodeForStream(const Answer&, const RequestMessage&, OutgoingMessage&): a StreamMessage
//   static void EncodeErrorForStream(const absl::Status&, const RequestMessage&, OutgoingMessage&): a StreamMessage
// These are given empty messages to fill; after an error what is in one is not sent.

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

// Makes room for `answer`, and encodes it into `message`.
template <typename Encode>
absl::Status EncodeWithin(Call& call, const Answer& answer, const Encode& encode, OutgoingMessage& message) {
  int64_t bytes = 0;
  for (const model::NamedTensor& output : answer.result.outputs)
    bytes += static_cast<int64_t>(output.tensor.bytes.size());
  FERRY_RETURN_IF_ERROR(call.ReserveAnswer(bytes));
  return encode(message);
}

template <typename Api>
void StartPredict(Predictor& predictor, const base::Clock& clock,
                  UnaryCall<typename Api::RequestMessage, typename Api::ResponseMessage>& call) {
  const auto& message = call.request();
  predictor.Predict({Api::kMethod, message.model_name(), Api::RequestId(message)}, DecodeFor<Api>(call, message, clock),
                    /*stream=*/nullptr,
                    {.encode =
                         [&call](const Answer& answer) {
                           return EncodeWithin(
                               call, answer,
                               [&](OutgoingMessage& into) { return Api::Encode(answer, call.request(), into); },
                               call.outgoing());
                         },
                     .send = [&call](const absl::Status& status) { call.Finish(status); },
                     .keep = [&call] { return call.Keep(); }});
}

// Reads one request, answers it, reads the next: answers are in order, and a client cannot flood the queue. Its
// sessions end with it.
template <typename Api>
class PredictStreamHandler final : public StreamHandler {
 public:
  using Stream = BidiCall<typename Api::RequestMessage, typename Api::StreamMessage>;

  PredictStreamHandler(Predictor& predictor, const base::Clock& clock, Stream& call)
      : predictor_(predictor), clock_(clock), call_(call) {
    ReadNext();
  }

  void OnRead(bool ok, const absl::Status& refused) override {
    if (!ok) return call_.Finish(absl::OkStatus());  // the client has said all it had to say, or is gone
    if (!refused.ok()) return Send(refused);
    predictor_.Predict({Api::kStreamMethod, message_->model_name(), Api::RequestId(*message_)},
                       DecodeFor<Api>(call_, *message_, clock_), &sessions_,
                       {.encode = [this](const Answer& answer) { return Encode(answer); },
                        .send = [this](const absl::Status& status) { Send(status); },
                        .keep = [this] { return Keep(); }});
  }
  void OnWritten(bool ok) override {
    if (!ok) return call_.Finish(absl::CancelledError("the client went away"));
    ReadNext();
  }

 private:
  void ReadNext() { call_.Read(message_.get()); }
  // Its bytes are read on, whatever comes next.
  std::shared_ptr<const void> Keep() {
    is_kept_ = true;
    return message_;
  }
  absl::Status Encode(const Answer& answer) {
    return EncodeWithin(
        call_, answer, [&](OutgoingMessage& into) { return Api::EncodeForStream(answer, *message_, into); }, response_);
  }
  void Send(const absl::Status& status) {
    OutgoingMessage response = std::exchange(response_, {});
    if (!status.ok()) {
      response = {};
      Api::EncodeErrorForStream(status, *message_, response);
    }
    // With the memory that it has kept, unless a pass that does not end still reads it.
    if (std::exchange(is_kept_, false)) {
      message_ = std::make_shared<typename Api::RequestMessage>();
    } else {
      *message_ = {};
    }
    call_.Write(std::move(response));
  }

  Predictor& predictor_;
  const base::Clock& clock_;
  Stream& call_;
  StreamSessions sessions_;
  std::shared_ptr<typename Api::RequestMessage> message_ = std::make_shared<typename Api::RequestMessage>();
  bool is_kept_ = false;
  OutgoingMessage response_;
};

}  // namespace torchferry::rpc
