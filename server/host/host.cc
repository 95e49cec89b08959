#include "server/host/host.h"

#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>

#include "server/host/memory.h"

namespace torchferry::host {
namespace {

std::string ReadFile(const char* path) {
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

double AffinityCount() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return std::max(1, CPU_COUNT(&set));
  return static_cast<double>(std::max(1L, sysconf(_SC_NPROCESSORS_ONLN)));
}

// cgroup v2 first, then v1's two files in v2's form.
std::optional<double> CgroupCpu() {
  if (const auto v2 = ParseCgroupCpuMax(ReadFile("/sys/fs/cgroup/cpu.max"))) return v2;
  const std::string quota = ReadFile("/sys/fs/cgroup/cpu/cpu.cfs_quota_us");
  const std::string period = ReadFile("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
  if (quota.empty() || quota[0] == '-') return std::nullopt;
  return ParseCgroupCpuMax(quota + " " + period);
}

bool HasCpuFlag(const std::string& cpuinfo, const std::string& flag) {
  const size_t line = cpuinfo.find("\nflags");
  if (line == std::string::npos) return false;
  std::istringstream flags(cpuinfo.substr(line + 1, cpuinfo.find('\n', line + 1) - line));
  for (std::string word; flags >> word;) {
    if (word == flag) return true;
  }
  return false;
}

// Of the first processor in /proc/cpuinfo: what stands behind "KEY :".
std::string CpuField(const std::string& cpuinfo, const std::string& key) {
  std::istringstream lines(cpuinfo.substr(0, cpuinfo.find("\n\n")));
  for (std::string line; std::getline(lines, line);) {
    const size_t colon = line.find(':');
    if (colon == std::string::npos || colon + 2 > line.size()) continue;
    if (line.substr(0, line.find_last_not_of(" \t", colon - 1) + 1) == key) return line.substr(colon + 2);
  }
  return "";
}

}  // namespace

std::string ParseProcessor(const std::string& cpuinfo) {
  const std::string vendor = CpuField(cpuinfo, "vendor_id");
  if (vendor.empty()) return "";
  return vendor + " " + CpuField(cpuinfo, "cpu family") + "/" + CpuField(cpuinfo, "model") + "/" +
         CpuField(cpuinfo, "stepping") + " " + CpuField(cpuinfo, "model name");
}

std::optional<double> ParseCgroupCpuMax(const std::string& text) {
  std::istringstream in(text);
  double quota = 0;
  double period = 0;
  if (!(in >> quota >> period) || quota <= 0 || period <= 0) return std::nullopt;
  return quota / period;
}

std::optional<uint64_t> ParseCgroupMemoryMax(const std::string& text) {
  uint64_t bytes = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bytes);
  // v1 says "no limit" with a number close to 2^63.
  if (error != std::errc() || bytes == 0 || bytes > (uint64_t{1} << 60)) return std::nullopt;
  return bytes;
}

std::optional<uint64_t> ParseMemTotal(const std::string& meminfo) {
  std::istringstream in(meminfo);
  std::string key;
  uint64_t kib = 0;
  std::string unit;
  while (in >> key >> kib >> unit) {
    if (key == "MemTotal:") return kib * 1024;
  }
  return std::nullopt;
}

HostInfo ProbeHost() {
  HostInfo host;
  host.cpu_quota = AffinityCount();
  if (const auto quota = CgroupCpu()) host.cpu_quota = std::min(host.cpu_quota, *quota);
  host.memory_limit_bytes = ParseMemTotal(ReadFile("/proc/meminfo")).value_or(0);
  if (const auto limit = CgroupMemoryLimit()) {
    host.memory_limit_bytes = host.memory_limit_bytes == 0 ? *limit : std::min(host.memory_limit_bytes, *limit);
  }
  const std::string cpuinfo = ReadFile("/proc/cpuinfo");
  host.processor = ParseProcessor(cpuinfo);
  host.has_avx512_bf16 = HasCpuFlag(cpuinfo, "avx512_bf16");
  host.has_amx_bf16 = HasCpuFlag(cpuinfo, "amx_bf16");
  return host;
}

ProcessUsage ReadProcessUsage() {
  ProcessUsage usage;
  rusage r{};
  if (getrusage(RUSAGE_SELF, &r) == 0) {
    const auto seconds = [](const timeval& t) {
      return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
    };
    usage.cpu_seconds = seconds(r.ru_utime) + seconds(r.ru_stime);
  }
  std::istringstream statm(ReadFile("/proc/self/statm"));
  uint64_t total_pages = 0;
  uint64_t resident_pages = 0;
  if (statm >> total_pages >> resident_pages) {
    usage.resident_bytes = resident_pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  }
  return usage;
}

}  // namespace torchferry::host
