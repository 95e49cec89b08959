#include "server/plan/load_memory.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

#include "server/tensor/shape.h"

namespace torchferry::plan {
namespace {

// What a first load takes whatever it loads: threads, their heaps, code of LibTorch that is paged in and its tables.
constexpr uint64_t kOnceBytes = uint64_t{24} << 20;
// Graphs, types and profiles that LibTorch makes of a byte of TorchScript.
constexpr uint64_t kBytesPerCodeByte = 60;
// Wider sums than this are nobody's memory.
constexpr uint64_t kMaxMemoryBytes = uint64_t{1} << 60;

uint64_t Plus(uint64_t a, uint64_t b) { return std::min(kMaxMemoryBytes, a + std::min(b, kMaxMemoryBytes)); }
uint64_t Times(uint64_t a, uint64_t b) { return b != 0 && a > kMaxMemoryBytes / b ? kMaxMemoryBytes : a * b; }

uint64_t InType(uint64_t bytes, tensor::DType from, tensor::DType to) {
  return Times(bytes, static_cast<uint64_t>(tensor::ByteSize(to))) / static_cast<uint64_t>(tensor::ByteSize(from));
}

// What becomes of the weights in other types, whose tensors stay beside those as they were saved.
uint64_t CastBytes(const LoadMemoryFacts& facts, const PrecisionPlan& precision) {
  uint64_t bytes = 0;
  uint64_t known = 0;
  for (const LoadMemoryFacts::TypedBytes& typed : facts.typed) {
    known = Plus(known, typed.bytes);
    if (std::ranges::count(precision.from, typed.dtype) > 0) {
      bytes = Plus(bytes, InType(typed.bytes, typed.dtype, precision.to));
    }
  }
  // Constants of a frozen module, say.
  const uint64_t unknown = facts.weight_bytes - std::min(known, facts.weight_bytes);
  if (precision.from.empty() || unknown == 0) return bytes;
  const tensor::DType smallest = *std::ranges::min_element(precision.from, {}, &tensor::ByteSize);
  return Plus(bytes, InType(unknown, smallest, precision.to));
}

// Each request of model_warmup is made when its turn comes, its rows gathered into a tensor beside it.
uint64_t WarmUpBytes(const config::ModelConfig& config) {
  uint64_t most = 0;
  for (const config::WarmUp& warm_up : config.warm_ups) {
    uint64_t bytes = 0;
    for (const config::WarmUpInput& input : warm_up.inputs) {
      const auto row = tensor::ByteCount(input.dtype, input.dims);
      bytes = Plus(bytes, row.ok() ? Times(static_cast<uint64_t>(*row), static_cast<uint64_t>(warm_up.batch_size))
                                   : kMaxMemoryBytes);
    }
    most = std::max(most, Times(bytes, 2));
  }
  return most;
}

}  // namespace

LoadMemory EstimateLoadMemory(const LoadMemoryFacts& facts, const tensor::DeviceId& device,
                              const PrecisionPlan& precision, const PrecisionPlan& on_cpu,
                              const config::ModelConfig& config) {
  const bool has_standby = config.fallback_warm.value_or(facts.weight_bytes <= kMaxStandbyBytes);
  LoadMemory memory;
  memory.read_bytes = Plus(facts.weight_bytes, facts.copied_bytes);
  if (device.IsCpu()) {
    memory.cast_bytes = CastBytes(facts, precision);
  } else if (has_standby) {
    memory.cast_bytes = CastBytes(facts, on_cpu);
  }
  if (facts.is_quantized) memory.packed_bytes = facts.weight_bytes;
  memory.warm_up_bytes = WarmUpBytes(config);
  memory.other_bytes = Plus(kOnceBytes, Times(facts.code_bytes, kBytesPerCodeByte));
  return memory;
}

std::string BytesText(uint64_t bytes) {
  constexpr std::array<const char*, 4> kUnits = {"KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{:.1f} {}", value, kUnits.at(unit));
}

std::string ToString(const LoadMemory& memory) {
  std::string text = fmt::format("{}: {} for the weights as they were saved", BytesText(memory.peak_bytes()),
                                 BytesText(memory.read_bytes));
  if (memory.cast_bytes > 0) text += fmt::format(", {} for them in other types", BytesText(memory.cast_bytes));
  if (memory.packed_bytes > 0) text += fmt::format(", {} for them packed", BytesText(memory.packed_bytes));
  if (memory.warm_up_bytes > 0) text += fmt::format(", {} for model_warmup", BytesText(memory.warm_up_bytes));
  return text + fmt::format(", {} besides", BytesText(memory.other_bytes));
}

}  // namespace torchferry::plan
