// Checks whether an answer fits into a message.
#pragma once

#include <absl/status/status.h>

#include <cstdint>

#include "server/serving/predict_task.h"

namespace torchferry::rpc {

// The bytes of the outputs and of their names: the min size of a message with them.
uint64_t LeastAnswerBytes(const model::Outputs& outputs);

// RESOURCE_EXHAUSTED where LeastAnswerBytes exceeds `max_message_bytes`. It names the largest output and the way out.
// To be called before any output is copied.
absl::Status CheckAnswerSize(const model::Outputs& outputs, int64_t max_message_bytes);
// As CheckAnswerSize, for the encoded message of `bytes` bytes. gRPC would refuse to send it only after the request was
// counted as answered.
absl::Status CheckMessageSize(const model::Outputs& outputs, uint64_t bytes, int64_t max_message_bytes);

}  // namespace torchferry::rpc
