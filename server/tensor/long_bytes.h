// From which length on bytes are not copied on their way out.
#pragma once

#include <cstddef>

namespace torchferry::tensor {

// An answer sends an output of so many bytes from where they lie, for as long as its client takes to read them. Whoever
// makes such an output sees to it that nobody writes there, and that its owner keeps little else alive.
inline constexpr size_t kLongBytes = size_t{16} << 10;

}  // namespace torchferry::tensor
