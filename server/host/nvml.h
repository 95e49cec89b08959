// State of the GPUs from NVIDIA's management library: how busy they are, their memory, and whether they are still
// there. The library is opened at run time, by name. A host without it has none of these figures.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>

namespace torchferry::host {

struct GpuReading {
  double utilization = 0;  // share of the recent time in which a kernel was running; 0 to 1
  uint64_t total_bytes = 0;
  uint64_t used_bytes = 0;  // by all processes
};

// Not thread-safe.
class Nvml {
 public:
  // Opens both libraries. UNAVAILABLE, saying what is missing, or which function returned which error.
  static absl::StatusOr<std::unique_ptr<Nvml>> Open(const std::string& nvml_library = "libnvidia-ml.so.1",
                                                    const std::string& driver_library = "libcuda.so.1");
  virtual ~Nvml() = default;

  // Reads the GPU that is cuda:`index` in this process, which CUDA_VISIBLE_DEVICES may have renumbered. DATA_LOSS when
  // the GPU is lost; UNAVAILABLE when it cannot be read.
  virtual absl::StatusOr<GpuReading> Read(int index) = 0;
};

}  // namespace torchferry::host
