#include "server/host/memory.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "server/host/host.h"

namespace torchferry::host {
namespace {

namespace fs = std::filesystem;

// The kernel's files are small; a page or two.
constexpr std::streamsize kMaxBytes = 64 << 10;

std::string ReadText(const fs::path& path) {
  std::ifstream in(path);
  std::string text(static_cast<size_t>(kMaxBytes), '\0');
  in.read(text.data(), kMaxBytes);
  text.resize(static_cast<size_t>(in.gcount()));
  return text;
}

// How one version of cgroups names its files.
struct Names {
  const char* limit;
  const char* used;
  bool is_v1;
};
constexpr Names kV1 = {"memory.limit_in_bytes", "memory.usage_in_bytes", true};
constexpr Names kV2 = {"memory.max", "memory.current", false};

// The group `path` of the hierarchy at `top`, and those above it. In a container the top may be the group itself.
void AddGroups(const fs::path& top, const std::string& path, const Names& names, std::vector<CgroupMemory>& groups) {
  std::error_code error;
  const fs::path inside = fs::path(path).relative_path();
  fs::path group = inside.empty() ? top : (top / inside).lexically_normal();
  if (!group.string().starts_with(top.string()) || !fs::is_directory(group, error)) group = top;
  while (true) {
    const auto limit = ParseCgroupMemoryMax(ReadText(group / names.limit));
    const auto used = ParseCgroupMemoryMax(ReadText(group / names.used));
    if (limit.has_value() && used.has_value()) {
      groups.push_back({*limit, *used, ParseReclaimable(ReadText(group / "memory.stat"), names.is_v1)});
    }
    if (group == top || !group.has_relative_path() || group == group.root_path()) return;
    group = group.parent_path();
  }
}

}  // namespace

std::optional<uint64_t> ParseMemAvailable(const std::string& meminfo) {
  std::istringstream in(meminfo);
  std::string key;
  uint64_t kib = 0;
  for (std::string line; std::getline(in, line);) {
    std::istringstream fields(line);
    if (fields >> key >> kib && key == "MemAvailable:") return kib * 1024;
  }
  return std::nullopt;
}

std::optional<std::string> ParseCgroupPath(const std::string& self, std::string_view controller) {
  std::istringstream in(self);
  for (std::string line; std::getline(in, line);) {
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    // "4:cpu,memory:/a/b"; of version 2 "0::/a/b".
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const std::string wanted = "," + std::string(controller) + ",";
    const bool is_it = controller.empty() ? controllers == ",," : controllers.find(wanted) != std::string::npos;
    if (is_it) return line.substr(second + 1);
  }
  return std::nullopt;
}

uint64_t ParseReclaimable(const std::string& stat, bool is_v1) {
  const std::string prefix = is_v1 ? "total_" : "";
  std::istringstream in(stat);
  std::string key;
  uint64_t bytes = 0;
  uint64_t cached = 0;
  uint64_t mapped = 0;
  while (in >> key >> bytes) {
    if (key == prefix + "inactive_file" || key == prefix + "active_file") cached += bytes;
    if (key == prefix + (is_v1 ? "mapped_file" : "file_mapped")) mapped = bytes;
  }
  return cached - std::min(cached, mapped);
}

std::vector<CgroupMemory> ReadCgroupMemory(const std::string& mount, const std::string& self) {
  const std::string groups_of_self = ReadText(self);
  std::vector<CgroupMemory> groups;
  std::error_code error;
  if (fs::exists(fs::path(mount) / "memory", error)) {
    AddGroups(fs::path(mount) / "memory", ParseCgroupPath(groups_of_self, "memory").value_or("/"), kV1, groups);
  }
  if (groups.empty()) AddGroups(mount, ParseCgroupPath(groups_of_self, "").value_or("/"), kV2, groups);
  return groups;
}

std::optional<uint64_t> CgroupMemoryLimit() {
  std::optional<uint64_t> least;
  for (const CgroupMemory& group : ReadCgroupMemory()) {
    least = std::min(least.value_or(group.limit_bytes), group.limit_bytes);
  }
  return least;
}

std::optional<uint64_t> AvailableMemory() {
  std::optional<uint64_t> least = ParseMemAvailable(ReadText("/proc/meminfo"));
  for (const CgroupMemory& group : ReadCgroupMemory()) {
    least = std::min(least.value_or(group.available_bytes()), group.available_bytes());
  }
  return least;
}

}  // namespace torchferry::host
