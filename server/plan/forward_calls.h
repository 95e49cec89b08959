// Measures how deep the functions of a forward.py call one another. LibTorch compiles a method when it meets the first
// call of it, by recursion. Pure.
#pragma once

#include <absl/status/status.h>

#include <string_view>

namespace torchferry::plan {

// `body` is that of ReadImports and has passed nesting.h. Messages call it `file`. INVALID_ARGUMENT has the line of a
// function from which calls go deeper than the compiler's stack allows. Time is linear in the source.
absl::Status CheckCalls(std::string_view body, std::string_view file);

// Whether the body has a function of that name. Also true where the body cannot be read to its end: compiling then
// gives the error.
bool HasFunction(std::string_view body, std::string_view name);

}  // namespace torchferry::plan
