#include "server/tensor/fallback_reason.h"

namespace torchferry::tensor {
namespace {

// In the order of the enum.
constexpr std::array<std::string_view, kAllFallbackReasons.size()> kNames = {
    "",          "absent",   "no_room", "out_of_memory", "device_lost", "device_error", "load_failed",
    "quantized", "stand_by", "parity",
};

}  // namespace

std::string_view Name(FallbackReason reason) { return kNames.at(static_cast<size_t>(reason)); }

}  // namespace torchferry::tensor
