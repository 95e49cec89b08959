#include "server/torch/load/weight_memory.h"

#include <sys/mman.h>

#include <cstddef>
#include <limits>

namespace torchferry::libtorch {
namespace {

constexpr uint64_t kHugePage = uint64_t{2} << 20;
constexpr uint64_t kMaxBytes = std::numeric_limits<uint64_t>::max() / 2;

struct Mapping {
  void* address;
  size_t bytes;
};

void Unmap(void* context) {
  const auto* mapping = static_cast<Mapping*>(context);
  munmap(mapping->address, mapping->bytes);
  delete mapping;
}

uint64_t RoundUp(uint64_t value) { return (value + kHugePage - 1) / kHugePage * kHugePage; }

}  // namespace

c10::DataPtr AllocateWeights(uint64_t bytes) {
  if (bytes < kHugePage || bytes > kMaxBytes) return at::getCPUAllocator()->allocate(bytes);
  // A kernel before 6.7 does not begin a mapping where a large page does: one page more, of which the ends go back.
  const uint64_t needed = RoundUp(bytes);
  void* const all = mmap(nullptr, needed + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (all == MAP_FAILED) return at::getCPUAllocator()->allocate(bytes);
  auto* const begin = static_cast<std::byte*>(all);
  const uint64_t address = reinterpret_cast<uintptr_t>(begin);
  const uint64_t before = RoundUp(address) - address;
  std::byte* const data = begin + before;
  if (before > 0) munmap(begin, before);
  if (before < kHugePage) munmap(data + needed, kHugePage - before);
  // Advice: where the kernel does not take it nothing changes.
  (void)madvise(data, needed, MADV_HUGEPAGE);
  return {data, new Mapping{data, needed}, &Unmap, at::kCPU};
}

}  // namespace torchferry::libtorch
