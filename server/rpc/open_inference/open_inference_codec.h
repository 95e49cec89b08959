// Between the Open Inference Protocol's messages and ours.
#pragma once

#include <absl/status/statusor.h>

#include "inference/grpc_service.pb.h"
#include "server/base/clock.h"
#include "server/rpc/predict/predictor.h"
#include "server/rpc/transport/outgoing.h"

namespace torchferry::rpc {

// "" is 0, the newest; INVALID_ARGUMENT for what is no version's number.
absl::StatusOr<int64_t> DecodeVersion(const std::string& text);

// A view where the message has the bytes as a tensor's are: raw, or typed contents of elements of 4 or 8 bytes;
// `message` must outlive what is made of it. A "timeout" parameter ends the request's wait that long after `now`.
// INVALID_ARGUMENT saying which input and what was expected, as a RequestBuilder does; UNIMPLEMENTED for what other
// servers have and this one has not (shared memory).
absl::StatusOr<Request> DecodeInferRequest(const inference::ModelInferRequest& message, base::TimePoint now);

// Adds to `message` the fields of a ModelInferResponse whose raw_output_contents share the bytes of long outputs.
// INTERNAL, saying which output, for an element type that has no form on the wire: they are then added in part.
absl::Status EncodeInferAnswer(const Answer& answer, const inference::ModelInferRequest& request,
                               OutgoingMessage& message);

}  // namespace torchferry::rpc
