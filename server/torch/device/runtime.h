// LibTorch's start: CUDA is opened at run time if this host has it, then the devices are counted. No LibTorch type
// shows here, so that `app` can use it.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/tensor/device_id.h"

namespace torchferry::libtorch {

// Where devices of one type come from. The CPU is always there and has none.
class DeviceProvider {
 public:
  virtual ~DeviceProvider() = default;
  virtual std::string_view type() const = 0;  // "cuda"
  // Called once, before any other LibTorch call: opens what must be opened and says how many devices there are.
  // An error says what is missing; the server then goes on without these devices.
  virtual absl::StatusOr<int> Start() = 0;
};

// "cuda", by dlopen of libtorch_cuda.so. LibTorch asks once whether CUDA is there and keeps the answer, so this comes
// before any other call of it.
std::unique_ptr<DeviceProvider> MakeCudaProvider();

// Immutable after Start.
class TorchRuntime {
 public:
  // One for a process. `providers` in order of preference; each that fails leaves one line in the log.
  static std::unique_ptr<TorchRuntime> Start(std::vector<std::unique_ptr<DeviceProvider>> providers);

  // Best first, the CPU last.
  const std::vector<tensor::DeviceId>& devices() const { return devices_; }

  // "cuda" and "cpu": every type that there is a provider for, whether or not this host has such a device.
  const std::vector<std::string>& device_types() const { return device_types_; }

  // "2.11.0".
  static std::string LibTorchVersion();

  // Bytes that are free on an accelerator; nothing where its allocator does not say.
  static std::optional<uint64_t> FreeBytes(const tensor::DeviceId& device);

  // Bytes that the device has in all and that are free; nothing where its allocator does not say.
  struct Memory {
    uint64_t total = 0;
    uint64_t free = 0;
  };
  static std::optional<Memory> MemoryOf(const tensor::DeviceId& device);

  // A small piece of work: memory is taken, written, computed with and copied back. DeviceFaultStatus when the device
  // fails at it.
  static absl::Status Probe(const tensor::DeviceId& device);

  // Gives memory that an accelerator's allocator keeps for later back to the device.
  static void ReleaseCachedMemory(const tensor::DeviceId& device);

  // Sets how many threads an operator that the calling thread starts may use. For a worker's first action.
  static void SetIntraOpThreads(int threads);
  // Ends the threads that operators have left to the calling one. The next operator that uses several makes them anew,
  // which takes some 50 us each. OpenMP counts all such threads of the process: beyond the number of processors it
  // lets them sleep between two operators, and each operator then takes two switches. Where OpenMP cannot do that,
  // nothing happens.
  static void ReleaseIntraOpThreads();

  // Algorithms whose results do not change from run to run, where there are any; for the process, before the first
  // model.
  static void UseDeterministicAlgorithms();

 private:
  std::vector<tensor::DeviceId> devices_;
  std::vector<std::string> device_types_;
};

}  // namespace torchferry::libtorch
