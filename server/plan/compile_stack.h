// The max stack size that LibTorch's compiler needs for a source.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "server/checkpoint/limits.h"

namespace torchferry::plan {

// Max number of functions that call one another in compiled code.
inline constexpr size_t kMaxCallDepth = limits::kMaxCallDepth;

// Gives a bound in bytes; limits.h has the max for a thread. LibTorch compiles a function at its first call, inside the
// expression that it compiles then. It can recurse as deep as all functions and their expressions together nest. The
// bound counts as if each function were inside the one before it. CheckNesting (nesting.h) has bounded each function.
uint64_t CompileStackBytes(std::span<const std::string> sources);

}  // namespace torchferry::plan
