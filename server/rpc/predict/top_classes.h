// The classification extension: the largest elements of an output, as text.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "server/serving/predict_task.h"

namespace torchferry::rpc {

// `output` with its `count` largest elements of each row, or of all where `has_rows` is false, the largest first: all
// of them where there are fewer. Each is "VALUE:INDEX:LABEL", without ":LABEL" where `labels` has none for the index;
// equal ones come in the order of their indices, and NaN comes last. The result's shape is [rows, count], or [count];
// its bytes are a BYTES tensor's, each element after its length in 32 bits.
// INVALID_ARGUMENT: the output is no tensor of numbers. RESOURCE_EXHAUSTED: the text has more than `max_bytes`.
absl::StatusOr<tensor::HostTensor> TopClasses(const model::NamedTensor& output, int64_t count, bool has_rows,
                                              const std::vector<std::string>& labels, int64_t max_bytes);

}  // namespace torchferry::rpc
