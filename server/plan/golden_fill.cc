#include "server/plan/golden_fill.h"

#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace torchferry::plan {
namespace {

// S. Vigna's splitmix64 (public domain): the state grows by this, and each number is the mixed state.
constexpr uint64_t kStateStep = 0x9E3779B97F4A7C15;

constexpr uint64_t MixedState(uint64_t state) {
  state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9;
  state = (state ^ (state >> 27)) * 0x94D049BB133111EB;
  return state ^ (state >> 31);
}

// What 24 bits of a number become.
constexpr int kUnusedBits = 64 - 24;
constexpr int32_t kHalf = 1 << 23;

template <typename T>
tensor::HostTensor GenerateOf(const GoldenFill& fill) {
  const auto elements = std::make_shared<std::vector<T>>(tensor::ElementCount(fill.shape).value());
  uint64_t state = fill.seed;
  for (T& element : *elements) {
    state += kStateStep;
    const auto upper = static_cast<int32_t>(MixedState(state) >> kUnusedBits);
    element = static_cast<T>(upper - kHalf) / kHalf;
  }
  return {.dtype = fill.dtype,
          .shape = fill.shape,
          .bytes = std::as_bytes(std::span<const T>(*elements)),
          .owner = elements};
}

}  // namespace

bool IsFillable(tensor::DType dtype) { return dtype == tensor::DType::kFp32 || dtype == tensor::DType::kFp64; }

tensor::HostTensor Generate(const GoldenFill& fill) {
  return fill.dtype == tensor::DType::kFp64 ? GenerateOf<double>(fill) : GenerateOf<float>(fill);
}

}  // namespace torchferry::plan
