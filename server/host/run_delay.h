// The time that threads waited for a processor although they could have run: others had the processors.
#pragma once

#include <optional>
#include <string>

namespace torchferry::host {

// The sum over all threads of this process, each since its start, in seconds. It grows while other processes have the
// processors. A thread that ends takes its share away. nullopt where the kernel does not count it. Reads one small file
// for each thread.
std::optional<double> ReadRunDelay(const std::string& tasks = "/proc/self/task");

// The delay in a thread's schedstat, "RUN_NS WAITED_NS SLICES", in seconds. nullopt when the text does not have it.
// Pure.
std::optional<double> ParseRunDelay(const std::string& schedstat);

}  // namespace torchferry::host
