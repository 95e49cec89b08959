// Converts between the Open Inference Protocol's messages and ours.
#pragma once

#include <absl/status/statusor.h>

#include "inference/grpc_service.pb.h"
#include "server/base/clock.h"
#include "server/rpc/predict/predictor.h"
#include "server/rpc/transport/outgoing.h"

namespace torchferry::rpc {

// The version's number in `text`; "" is 0, the newest. INVALID_ARGUMENT for any other text.
absl::StatusOr<int64_t> DecodeVersion(const std::string& text);

// The result views `message` where its bytes are a tensor's: raw, or typed contents with elements of 4 or 8 bytes.
// `message` must outlive the result. A "timeout" parameter ends the request's wait that long after `now`.
// INVALID_ARGUMENT names the input and what was expected, as a RequestBuilder does. UNIMPLEMENTED is for features of
// other servers that this one does not have (shared memory).
absl::StatusOr<Request> DecodeInferRequest(const inference::ModelInferRequest& message, base::TimePoint now);

// Adds the fields of a ModelInferResponse to `message`. Its raw_output_contents share the bytes of long outputs.
// INTERNAL names an output whose element type has no form on the wire; the fields are then added in part.
absl::Status EncodeInferAnswer(const Answer& answer, const inference::ModelInferRequest& request,
                               OutgoingMessage& message);

}  // namespace torchferry::rpc
