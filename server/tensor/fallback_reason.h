// Why a device is not used.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace torchferry::tensor {

enum class FallbackReason : uint8_t {
  kNone,         // it is used, or nothing speaks against it
  kAbsent,       // this host does not have it
  kNoRoom,       // it has no room for the weights
  kOutOfMemory,  // it ran out of memory, while loading or in a forward pass
  kDeviceLost,   // it fails until the process ends
  kDeviceError,  // a forward pass failed there; the device may recover
  kLoadFailed,   // the version could not be loaded there
  kQuantized,    // it has no kernels for quantized weights
  kStandBy,      // another device is wanted for this placement
  kParity,       // it does not answer golden rows as the model did when it was saved
};

inline constexpr std::array kAllFallbackReasons = {
    FallbackReason::kNone,        FallbackReason::kAbsent,     FallbackReason::kNoRoom,
    FallbackReason::kOutOfMemory, FallbackReason::kDeviceLost, FallbackReason::kDeviceError,
    FallbackReason::kLoadFailed,  FallbackReason::kQuantized,  FallbackReason::kStandBy,
    FallbackReason::kParity,
};

// The text of metrics, answers and logs: "out_of_memory". Empty for kNone.
std::string_view Name(FallbackReason reason);

}  // namespace torchferry::tensor
