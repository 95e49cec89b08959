// The classification extension: the largest elements of an output, as text.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "server/serving/predict_task.h"

namespace torchferry::rpc {

// The `count` largest elements of each row of `output`, the largest first; all elements where a row has fewer. Where
// `has_rows` is false, the whole output is one row. Each element is "VALUE:INDEX:LABEL", without ":LABEL" where
// `labels` has no label for the index. Equal elements come in the order of their indices, and NaN comes last. The
// result's shape is [rows, count], or [count]. Its bytes are a BYTES tensor's: each element follows its length in 32
// bits. INVALID_ARGUMENT: the output is no tensor of numbers. RESOURCE_EXHAUSTED: the text has more than `max_bytes`.
absl::StatusOr<tensor::HostTensor> TopClasses(const model::NamedTensor& output, int64_t count, bool has_rows,
                                              const std::vector<std::string>& labels, int64_t max_bytes);

}  // namespace torchferry::rpc
