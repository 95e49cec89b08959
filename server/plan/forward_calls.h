// How deep the functions of a forward.py call one another. LibTorch compiles a method when the first call of it is met,
// by recursion. Pure.
#pragma once

#include <absl/status/status.h>

#include <string_view>

namespace torchferry::plan {

// `body`: of ReadImports; it has passed nesting.h. `file` is what messages call it. INVALID_ARGUMENT with the line of a
// function from which calls go deeper than the compiler's stack allows. Time is linear in the source.
absl::Status CheckCalls(std::string_view body, std::string_view file);

// Whether the body has a function of that name; also where it cannot be read to its end, which compiling will say.
bool HasFunction(std::string_view body, std::string_view name);

}  // namespace torchferry::plan
