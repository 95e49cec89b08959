// How much memory this process may still take: of its cgroups' limits and of the host.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace torchferry::host {

// One cgroup's memory, as the kernel counts it. Page cache of files counts as used, and goes when there is need.
struct CgroupMemory {
  uint64_t limit_bytes = 0;
  uint64_t used_bytes = 0;
  uint64_t reclaimable_bytes = 0;  // of those, page cache that nothing maps

  uint64_t available_bytes() const {
    const uint64_t held = used_bytes - (reclaimable_bytes < used_bytes ? reclaimable_bytes : used_bytes);
    return limit_bytes - (held < limit_bytes ? held : limit_bytes);
  }
};

// Of this process's cgroups that have a limit: its own, and those that they lie in. Version 2 and 1. `mount` and `self`
// are where the kernel shows them; for tests.
std::vector<CgroupMemory> ReadCgroupMemory(const std::string& mount = "/sys/fs/cgroup",
                                           const std::string& self = "/proc/self/cgroup");

// Bytes that can be had before the kernel ends something: of the cgroup that has least, and of the host. Nothing where
// nobody says. Reads the running system: some files, some ten microseconds.
std::optional<uint64_t> AvailableMemory();

// The least of the limits of ReadCgroupMemory. Nothing: there is none.
std::optional<uint64_t> CgroupMemoryLimit();

// Pure, of the texts of the kernel's files.
std::optional<uint64_t> ParseMemAvailable(const std::string& meminfo);
// The path of this process's cgroup in the hierarchy of `controller`, or of version 2 where that is empty.
std::optional<std::string> ParseCgroupPath(const std::string& self, std::string_view controller);
// Of memory.stat: page cache that nothing maps.
uint64_t ParseReclaimable(const std::string& stat, bool is_v1);

}  // namespace torchferry::host
