// Memory on the host for the weights that are read from a file.
#pragma once

#include <torch/torch.h>

#include <cstdint>

namespace torchferry::libtorch {

// Memory that will be written whole. A block of 2 MiB or more is a mapping of its own, with pages of 2 MiB where the
// kernel has them. A page fault for each 4 KiB would cost more than the copy. The mapping ends with its last tensor. In
// the heap, the advice for such pages would stay with the addresses. Each small block that is put there later would
// then take 2 MiB. Throws c10::Error, as at::getCPUAllocator() does, where there is no memory.
c10::DataPtr AllocateWeights(uint64_t bytes);

}  // namespace torchferry::libtorch
