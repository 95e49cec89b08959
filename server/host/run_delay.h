// How long threads waited for a processor although they could have run: what others took from them.
#pragma once

#include <optional>
#include <string>

namespace torchferry::host {

// Of all threads of this process together, since each began, in seconds. Grows while others have the processors; a
// thread that ends takes its share away. Nothing where the kernel does not count it. Reads one small file for each
// thread.
std::optional<double> ReadRunDelay(const std::string& tasks = "/proc/self/task");

// Of a thread's schedstat, "RUN_NS WAITED_NS SLICES", in seconds. Nothing when the text does not have it. Pure.
std::optional<double> ParseRunDelay(const std::string& schedstat);

}  // namespace torchferry::host
