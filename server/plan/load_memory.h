// Estimates the host memory that loading a version takes, from its index, before its tensors are read. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "server/config/model_config.h"
#include "server/plan/precision.h"
#include "server/tensor/device_id.h"
#include "server/tensor/dtype.h"

namespace torchferry::plan {

// Facts that the version's files state.
struct LoadMemoryFacts {
  struct TypedBytes {
    tensor::DType dtype = tensor::DType::kInvalid;
    uint64_t bytes = 0;
  };
  uint64_t weight_bytes = 0;      // of the module's storages, shared ones once
  std::vector<TypedBytes> typed;  // of weight_bytes, by the tensors' types; the rest has no known type
  uint64_t copied_bytes = 0;      // largest storage of a state_dict that is copied over an architecture.pt's; else 0
  uint64_t code_bytes = 0;        // of TorchScript's text
  bool is_quantized = false;      // loading packs its weights again
};

struct LoadMemory {
  uint64_t read_bytes = 0;     // the module as it was saved
  uint64_t cast_bytes = 0;     // the weights once more, in other types, a standby's included
  uint64_t packed_bytes = 0;   // the weights once more, packed
  uint64_t warm_up_bytes = 0;  // requests of model_warmup
  uint64_t other_bytes = 0;    // code, and what LibTorch takes once per process
  uint64_t peak_bytes() const { return read_bytes + cast_bytes + packed_bytes + warm_up_bytes + other_bytes; }
};

// Max weight bytes of a version that has a standby on the CPU by default; the configuration may say otherwise. The
// standby holds the weights in the host's memory once more.
inline constexpr uint64_t kMaxStandbyBytes = uint64_t{1} << 30;

// `precision` is the plan for `device`. `on_cpu` is the plan for a standby on the CPU, where `device` is another one.
// The estimate leaves out tuning, which is skipped without room, and the memory of forward, which is not known.
LoadMemory EstimateLoadMemory(const LoadMemoryFacts& facts, const tensor::DeviceId& device,
                              const PrecisionPlan& precision, const PrecisionPlan& on_cpu,
                              const config::ModelConfig& config);

// Writes "600.0 MiB: 300.0 MiB for the weights as they were saved, …".
std::string ToString(const LoadMemory& memory);

// Versions that need less than this are always loaded. They are not the reason when a server runs out of memory.
inline constexpr uint64_t kAlwaysRoomFor = uint64_t{16} << 20;

// Writes "1.5 GiB", "300.0 MiB", "12.0 KiB".
std::string BytesText(uint64_t bytes);

}  // namespace torchferry::plan
