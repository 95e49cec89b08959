// How much stack LibTorch's compiler needs for code, at most.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "server/checkpoint/limits.h"

namespace torchferry::plan {

// Functions that call one another in compiled code.
inline constexpr size_t kMaxCallDepth = limits::kMaxCallDepth;

// LibTorch compiles a function when it meets the first call of it, inside the expression that it compiles just then: it
// recurses as deep as all functions and their expressions together may nest. Counted from above, as if each were inside
// the one before; CheckNesting (nesting.h) has bounded each. Bytes; limits.h says how many a thread may have.
uint64_t CompileStackBytes(std::span<const std::string> sources);

}  // namespace torchferry::plan
