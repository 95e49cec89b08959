// Converts between torchferry.v1's messages and ours.
#pragma once

#include <absl/status/statusor.h>

#include "server/registry/registry.h"
#include "server/rpc/predict/predictor.h"
#include "server/rpc/transport/outgoing.h"
#include "torchferry/v1/inference.pb.h"

namespace torchferry::rpc {

// The result views `message`, which must outlive it. INVALID_ARGUMENT: a tensor has no dtype, or a RequestBuilder
// refuses the request. tensor::BindInputs checks the rest against the signature.
absl::StatusOr<Request> DecodeRequest(const v1::PredictRequest& message);

// Fills the empty `message` with a v1::PredictResponse that shares the bytes of long outputs. INTERNAL names an output
// whose element type has no form on the wire: FP8 and complex numbers. `message` is then filled in part.
absl::Status EncodeAnswer(const Answer& answer, const std::string& request_id, OutgoingMessage& message);

v1::DataType EncodeDType(tensor::DType dtype);  // DATA_TYPE_UNSPECIFIED for one that has no form on the wire
tensor::DType DecodeDType(v1::DataType dtype);  // kInvalid for an unknown one

// Fills `message` with GetModel's description of one version.
void EncodeVersion(const registry::VersionStatus& status, v1::ModelVersion& message);

}  // namespace torchferry::rpc
