// The length from which an output's bytes are sent without a copy.
#pragma once

#include <cstddef>

namespace torchferry::tensor {

// An output of this size or more is sent from its own memory, while the client reads it. The code that makes such an
// output ensures that no thread writes there, and that its owner keeps little else alive.
inline constexpr size_t kLongBytes = size_t{16} << 10;

}  // namespace torchferry::tensor
