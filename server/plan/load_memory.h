// How much of the host's memory loading a version takes, told from its index before its tensors are read. Pure.
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

// What the files say.
struct LoadMemoryFacts {
  struct TypedBytes {
    tensor::DType dtype = tensor::DType::kInvalid;
    uint64_t bytes = 0;
  };
  uint64_t weight_bytes = 0;      // of the module's storages, shared ones once
  std::vector<TypedBytes> typed;  // of those, by what their tensors are; the rest is of no known type
  uint64_t copied_bytes = 0;      // largest storage of a state_dict that is copied over an architecture.pt's; else 0
  uint64_t code_bytes = 0;        // of TorchScript's text
  bool is_quantized = false;      // its weights are packed anew
};

struct LoadMemory {
  uint64_t read_bytes = 0;     // the module as it was saved
  uint64_t cast_bytes = 0;     // the weights once more, in other types, a standby's included
  uint64_t packed_bytes = 0;   // the same, packed
  uint64_t warm_up_bytes = 0;  // requests of model_warmup
  uint64_t other_bytes = 0;    // code, and what LibTorch takes once
  uint64_t peak_bytes() const { return read_bytes + cast_bytes + packed_bytes + warm_up_bytes + other_bytes; }
};

// A version up to this has a standby on the CPU unless the configuration says otherwise: its weights are then in the
// host's memory once more.
inline constexpr uint64_t kMaxStandbyBytes = uint64_t{1} << 30;

// `device` computes as `precision` says, and the CPU, where that is another one, as `on_cpu`. Tuning is not in it: that
// is left out where there is no room. Neither is what forward takes, which nobody knows.
LoadMemory EstimateLoadMemory(const LoadMemoryFacts& facts, const tensor::DeviceId& device,
                              const PrecisionPlan& precision, const PrecisionPlan& on_cpu,
                              const config::ModelConfig& config);

// "600.0 MiB: 300.0 MiB to read the weights, …"
std::string ToString(const LoadMemory& memory);

// Versions that need less than this are loaded whatever is free: they are not what a server runs out of memory by.
inline constexpr uint64_t kAlwaysRoomFor = uint64_t{16} << 20;

// "1.5 GiB", "300.0 MiB", "12 KiB".
std::string BytesText(uint64_t bytes);

}  // namespace torchferry::plan
