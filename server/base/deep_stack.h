// A thread with a stack as large as its work needs: for libraries that recurse as deep as their input nests.
#pragma once

#include <absl/status/status.h>

#include <cstddef>
#include <functional>
#include <string>

namespace torchferry::base {

// Runs `run` on a new thread named `thread_name`, with a stack of `stack_bytes`, and waits for it. Only the pages that
// it touches take memory. An exception of `run` is thrown here. RESOURCE_EXHAUSTED when the system cannot make such a
// thread; `run` is not called then.
absl::Status RunOnDeepStack(size_t stack_bytes, const std::string& thread_name, const std::function<void()>& run);

}  // namespace torchferry::base
