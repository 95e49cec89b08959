// A thread with a stack as large as its work needs: for libraries that recurse as deep as what they are given.
#pragma once

#include <absl/status/status.h>

#include <cstddef>
#include <functional>
#include <string>

namespace torchferry::base {

// Runs `run` on a thread of its own, named `thread_name`, whose stack has `stack_bytes`, and waits for it. Only the
// pages that it touches take memory. An exception of `run` is thrown here. RESOURCE_EXHAUSTED when the system has no
// such thread; `run` has not run then.
absl::Status RunOnDeepStack(size_t stack_bytes, const std::string& thread_name, const std::function<void()>& run);

}  // namespace torchferry::base
