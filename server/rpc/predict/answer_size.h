// Whether an answer fits into a message.
#pragma once

#include <absl/status/status.h>

#include <cstdint>

#include "server/serving/predict_task.h"

namespace torchferry::rpc {

// The bytes of the outputs and of their names: what a message of them has at least.
uint64_t LeastAnswerBytes(const model::Outputs& outputs);

// RESOURCE_EXHAUSTED, naming the largest output and the way out, where that is more than `max_message_bytes`.
// Before anything of it is copied.
absl::Status CheckAnswerSize(const model::Outputs& outputs, int64_t max_message_bytes);
// Likewise, of the message with the outputs, which has so many bytes. gRPC would refuse to send it, when the request
// has been counted as answered.
absl::Status CheckMessageSize(const model::Outputs& outputs, uint64_t bytes, int64_t max_message_bytes);

}  // namespace torchferry::rpc
