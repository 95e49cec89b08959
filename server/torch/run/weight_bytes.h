// The bytes that a module holds.
#pragma once

#include <torch/script.h>

#include <cstdint>

namespace torchferry::libtorch {

// Bytes of all tensors in its values and in the constants of its code, each storage once. Packed weights of quantised
// layers are not counted.
uint64_t WeightBytes(const torch::jit::Module& module);

}  // namespace torchferry::libtorch
