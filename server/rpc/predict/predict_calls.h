// Predict, for any API: what an API has of its own is its codec. PredictStream is in predict_stream.h.
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
  absl::StatusOr<Request> request = CatchToStatus([&] { return Api::Decode(message, clock.Now()); });
  if (request.ok()) {
    request->deadline = std::min(request->deadline, call.DeadlineOn(clock));
    request->is_cancelled = [&call] { return call.IsCancelled(); };
  }
  return request;
}

// Of its tensors.
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
