// Whether an answer fits into a message, by what is known before anything of it is copied.
#pragma once

#include <absl/status/status.h>

#include <cstdint>

#include "server/serving/predict_task.h"

namespace torchferry::rpc {

// The bytes of the outputs and of their names: what a message of them has at least. gRPC itself holds what the rest
// adds against the same limit.
uint64_t LeastAnswerBytes(const model::Outputs& outputs);

// RESOURCE_EXHAUSTED, naming the largest output and the way out, where that is more than `max_message_bytes`.
absl::Status CheckAnswerSize(const model::Outputs& outputs, int64_t max_message_bytes);

}  // namespace torchferry::rpc
