// What this host has, as far as the kernel says it: processors and memory within the cgroup's limits, what the process
// uses of them, CPU features. No LibTorch.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace torchferry::host {

struct HostInfo {
  std::string processor;  // "AuthenticAMD 26/2/1 AMD EPYC": vendor, family/model/stepping, name; empty: unknown
  double cpu_quota = 1;   // processors that may be used, the cgroup's quota and affinity considered
  uint64_t memory_limit_bytes = 0;  // the cgroup's limit, else the host's memory
  bool has_avx512_bf16 = false;
  bool has_amx_bf16 = false;

  // Arithmetic in BF16 that is not made of FP32's.
  bool HasNativeBf16() const { return has_avx512_bf16 || has_amx_bf16; }
};

// Reads the running system. Never fails: what cannot be read keeps its default.
HostInfo ProbeHost();

// "MemTotal" style readers, exposed for tests. Nothing when the text does not have it.
std::optional<double> ParseCgroupCpuMax(const std::string& text);       // "200000 100000" → 2; "max …" → nothing
std::optional<uint64_t> ParseCgroupMemoryMax(const std::string& text);  // bytes; "max" → nothing
std::optional<uint64_t> ParseMemTotal(const std::string& meminfo);      // /proc/meminfo, in bytes

std::string ParseProcessor(const std::string& cpuinfo);  // /proc/cpuinfo; empty where it names no vendor

// The NVIDIA driver, as its own library tells. Opens that by name; needs no CUDA library.
struct CudaDriver {
  bool is_there = false;
  std::string error;     // why it cannot be used, with the CUDA error's number; empty: it can
  int version = 0;       // the newest CUDA that it runs: 13020 is 13.2
  int device_count = 0;  // that this process may use, CUDA_VISIBLE_DEVICES considered
};

CudaDriver ProbeCudaDriver();

struct ProcessUsage {
  double cpu_seconds = 0;       // user and system, all threads
  uint64_t resident_bytes = 0;  // resident set
};

ProcessUsage ReadProcessUsage();

}  // namespace torchferry::host
