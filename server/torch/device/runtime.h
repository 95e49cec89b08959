// Starts LibTorch: opens CUDA at run time if this host has it, then counts the devices. No LibTorch type appears here,
// so that `app` can use it.
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

// A source of devices of one type. The CPU is always there and has no provider.
class DeviceProvider {
 public:
  virtual ~DeviceProvider() = default;
  virtual std::string_view type() const = 0;  // "cuda"
  // Called once, before any other LibTorch call. Opens the libraries that it needs, and returns the number of devices.
  // An error says what is missing; the server then runs without these devices.
  virtual absl::StatusOr<int> Start() = 0;
};

// "cuda", by dlopen of libtorch_cuda.so. LibTorch checks once whether CUDA is there and keeps the answer, so Start
// precedes any other LibTorch call.
std::unique_ptr<DeviceProvider> MakeCudaProvider();

// Immutable after Start.
class TorchRuntime {
 public:
  // Called once in a process. `providers` are in order of preference; each one that fails is logged in one line.
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

  // Tests the device: allocates memory, writes it, computes with it and copies it back. DeviceFaultStatus when the
  // device fails.
  static absl::Status Probe(const tensor::DeviceId& device);

  // Returns memory that an accelerator's allocator caches to the device.
  static void ReleaseCachedMemory(const tensor::DeviceId& device);

  // Sets the max threads of an operator that the calling thread starts. A worker calls this first.
  static void SetIntraOpThreads(int threads);
  // Ends the threads that operators have left to the calling thread. The next operator that uses several threads starts
  // them again, at some 50 us each. OpenMP counts all such threads of the process. When they exceed the processors,
  // they sleep between two operators, and each operator then takes two context switches. Where OpenMP cannot end the
  // threads, nothing happens.
  static void ReleaseIntraOpThreads();

  // Makes the process use algorithms whose results do not change from run to run, where there are any. Called before
  // the first model is loaded.
  static void UseDeterministicAlgorithms();

 private:
  std::vector<tensor::DeviceId> devices_;
  std::vector<std::string> device_types_;
};

}  // namespace torchferry::libtorch
