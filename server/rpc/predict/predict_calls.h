// Predict, for any API: an API brings only its codec. PredictStream is in predict_stream.h.
#pragma once

#include <algorithm>
#include <memory>
#include <utility>

#include "server/base/clock.h"
#include "server/base/status.h"
#include "server/rpc/predict/answer_size.h"
#include "server/rpc/predict/predictor.h"
#include "server/rpc/transport/call.h"
#include "server/rpc/transport/catch_to_status.h"
#include "server/rpc/transport/outgoing.h"

namespace torchferry::rpc {

// Api has the types RequestMessage, ResponseMessage and StreamMessage. Its kMethod and kStreamMethod are the names of
// the two methods in the service. Its static functions are these:
//
//   RequestId(const RequestMessage&) gives a const std::string&.
//   Decode(const RequestMessage&, TimePoint now) gives an absl::StatusOr<Request> of views, with the message's
//   deadline. Encode(const Answer&, const RequestMessage&, OutgoingMessage&) gives an absl::Status, and makes a
//   ResponseMessage. EncodeForStream(const Answer&, const RequestMessage&, OutgoingMessage&) does so with a
//   StreamMessage. EncodeErrorForStream(const absl::Status&, const RequestMessage&, OutgoingMessage&) makes a
//   StreamMessage.
//
// The encoding functions get empty messages to fill. After an error the message is not sent.

// Max Predict calls that may arrive in one read of the network without waiting for one another.
constexpr int kPredictsAtOnce = 32;

// Decodes `message`, which came by `call`.
template <typename Api>
absl::StatusOr<Request> DecodeFor(const Call& call, const typename Api::RequestMessage& message,
                                  const base::Clock& clock) {
  absl::StatusOr<Request> request = CatchToStatus([&] { return Api::Decode(message, clock.Now()); });
  if (request.ok()) {
    request->deadline = std::min(request->deadline, call.DeadlineOn(clock));
    request->is_cancelled = [&call] { return call.IsCancelled(); };
  }
  return request;
}

// Bytes of the answer's tensors.
inline int64_t BytesOf(const Answer& answer) {
  int64_t bytes = 0;
  for (const model::NamedTensor& output : answer.result.outputs)
    bytes += static_cast<int64_t>(output.tensor.bytes.size());
  return bytes;
}

// Makes room for `answer`, and encodes it into `message`.
template <typename Encode>
absl::Status EncodeWithin(Call& call, const Answer& answer, const Encode& encode, OutgoingMessage& message) {
  FERRY_RETURN_IF_ERROR(call.ReserveAnswer(BytesOf(answer)));
  FERRY_RETURN_IF_ERROR(encode(message));
  return CheckMessageSize(answer.result.outputs, message.size(), call.max_message_bytes());
}

template <typename Api>
void StartPredict(Predictor& predictor, const base::Clock& clock,
                  UnaryCall<typename Api::RequestMessage, typename Api::ResponseMessage>& call) {
  const auto& message = call.request();
  predictor.Predict({Api::kMethod, message.model_name(), Api::RequestId(message), call.caller()},
                    DecodeFor<Api>(call, message, clock),
                    /*stream=*/nullptr,
                    {.encode =
                         [&call](const Answer& answer) {
                           return EncodeWithin(
                               call, answer,
                               [&](OutgoingMessage& into) { return Api::Encode(answer, call.request(), into); },
                               call.outgoing());
                         },
                     .send = [&call](const absl::Status& status) { call.Finish(status); },
                     .keep = [&call] { return call.Keep(); },
                     .reserve = [&call](int64_t bytes) { return call.ReserveAnswer(bytes); }});
}

}  // namespace torchferry::rpc
