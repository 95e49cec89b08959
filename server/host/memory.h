// The memory that this process may still take, within its cgroups' limits and the host's memory.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace torchferry::host {

// One cgroup's memory, as the kernel counts it. Page cache of files counts as used, but the kernel frees it on need.
struct CgroupMemory {
  uint64_t limit_bytes = 0;
  uint64_t used_bytes = 0;
  uint64_t reclaimable_bytes = 0;  // part of used_bytes: page cache that no process maps

  uint64_t available_bytes() const {
    const uint64_t held = used_bytes - (reclaimable_bytes < used_bytes ? reclaimable_bytes : used_bytes);
    return limit_bytes - (held < limit_bytes ? held : limit_bytes);
  }
};

// The memory of this process's cgroups that have a limit: its own, and those that contain it. Reads version 1, else
// version 2. `mount` and `self` are the kernel's paths, which tests replace.
std::vector<CgroupMemory> ReadCgroupMemory(const std::string& mount = "/sys/fs/cgroup",
                                           const std::string& self = "/proc/self/cgroup");

// The bytes that can be taken before the kernel ends a process: the least of the cgroups' and the host's. It is nullopt
// where the kernel does not say. Reads some files of the running system, which takes some tens of microseconds.
std::optional<uint64_t> AvailableMemory();

// The least of the limits of ReadCgroupMemory; nullopt without a limit.
std::optional<uint64_t> CgroupMemoryLimit();

// Pure functions of the texts of the kernel's files.
std::optional<uint64_t> ParseMemAvailable(const std::string& meminfo);
// The path of this process's cgroup in the hierarchy of `controller`; in that of version 2 if `controller` is empty.
std::optional<std::string> ParseCgroupPath(const std::string& self, std::string_view controller);
// The page cache in memory.stat that no process maps, in bytes.
uint64_t ParseReclaimable(const std::string& stat, bool is_v1);

}  // namespace torchferry::host
