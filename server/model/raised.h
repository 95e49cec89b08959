// Distinguishes an exception of the model's own code from an answer that does not fit: the exception may be a request's
// fault.
#pragma once

#include <absl/status/status.h>

namespace torchferry::model {

// `status` with a mark that the model's code raised it.
absl::Status MarkRaised(absl::Status status);

bool HasRaised(const absl::Status& status);

}  // namespace torchferry::model
