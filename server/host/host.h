// The resources of this host, as the kernel tells them. They are the processors and memory within the cgroup's limits,
// the process's use of them, and CPU features. No LibTorch.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace torchferry::host {

struct HostInfo {
  std::string processor;  // "AuthenticAMD 26/2/1 AMD EPYC": vendor, family/model/stepping, name; empty: unknown
  double cpu_quota = 1;   // processors that may be used: the least of the cgroup's quota and the affinity
  uint64_t memory_limit_bytes = 0;  // the least of the cgroups' limits and the host's memory
  bool has_avx512_bf16 = false;
  bool has_amx_bf16 = false;

  // Whether the processor computes in BF16 itself, and not by instructions for FP32.
  bool HasNativeBf16() const { return has_avx512_bf16 || has_amx_bf16; }
};

// Reads the running system. Never fails: a value that cannot be read keeps its default.
HostInfo ProbeHost();

// Parsers of the kernel's files, exposed for tests. nullopt when the text does not have the value.
std::optional<double> ParseCgroupCpuMax(const std::string& text);       // "200000 100000" → 2; "max …" → nothing
std::optional<uint64_t> ParseCgroupMemoryMax(const std::string& text);  // bytes; "max" → nothing
std::optional<uint64_t> ParseMemTotal(const std::string& meminfo);      // /proc/meminfo, in bytes

std::string ParseProcessor(const std::string& cpuinfo);  // /proc/cpuinfo; empty where it names no vendor

// The NVIDIA driver, as its own library describes it. The library is opened by name; no CUDA library is needed.
struct CudaDriver {
  bool is_there = false;
  std::string error;     // why it cannot be used, with the CUDA error's number; empty: it can be used
  int version = 0;       // the newest CUDA that it can run: 13020 is 13.2
  int device_count = 0;  // devices that this process may use, after CUDA_VISIBLE_DEVICES
};

CudaDriver ProbeCudaDriver();

struct ProcessUsage {
  double cpu_seconds = 0;       // user and system, all threads
  uint64_t resident_bytes = 0;  // resident set
};

ProcessUsage ReadProcessUsage();

}  // namespace torchferry::host
