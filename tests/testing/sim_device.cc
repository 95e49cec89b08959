#include "tests/testing/sim_device.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>
#include <utility>

namespace torchferry::sim {
namespace {

// CUDA's number of an illegal address.
constexpr int kIllegalAddress = 700;
constexpr int kDeviceLost = 999;
constexpr int kBusy = 46;

[[noreturn]] void Fail(int code, const std::string& what) {
  throw c10::AcceleratorError({__func__, __FILE__, __LINE__}, code, "SIM error: " + what);
}

[[noreturn]] void OutOfMemory(int device, uint64_t bytes, const Usage& usage) {
  throw c10::OutOfMemoryError({__func__, __FILE__, __LINE__},
                              "SIM out of memory. Tried to allocate " + std::to_string(bytes) + " bytes. sim:" +
                                  std::to_string(device) + " has " + std::to_string(usage.capacity_bytes) + " bytes, " +
                                  std::to_string(usage.bytes_in_use) + " of them in use");
}

void SetField(Faults& faults, const std::string& name, int64_t value) {
  if (name == "out_of_memory_after_bytes") faults.out_of_memory_after_bytes = value;
  if (name == "out_of_memory_over_rows") faults.out_of_memory_over_rows = value;
  if (name == "sticky_error") faults.sticky_error = value != 0;
  if (name == "transient_errors") faults.transient_errors = value;
  if (name == "out_of_memory_times") faults.out_of_memory_times = value;
  if (name == "lost") faults.lost = value != 0;
  if (name == "no_pinned_memory") faults.no_pinned_memory = value != 0;
  if (name == "no_streams") faults.no_streams = value != 0;
  if (name == "wrong_products") faults.wrong_products = value != 0;
  if (name == "copy_delay_us") faults.copy_delay = std::chrono::microseconds(value);
}

}  // namespace

Devices& Devices::Get() {
  // Never destroyed: tensors may outlive everything.
  static Devices* const devices = new Devices;
  return *devices;
}

void Devices::Configure(int count, uint64_t capacity_bytes) {
  const std::lock_guard lock(mutex_);
  TORCH_CHECK(count >= 0 && count <= kMaxDevices, "SIM has at most ", kMaxDevices, " devices");
  count_ = count;
  on_allocate_ = nullptr;
  for (Device& device : devices_) {
    device.usage.capacity_bytes = capacity_bytes;
    device.faults = {};
    device.error_is_pending = device.has_failed = false;
  }
}

void Devices::SetFaults(int device, const Faults& faults) {
  const std::lock_guard lock(mutex_);
  devices_.at(device).faults = faults;
}

void Devices::OnAllocate(std::function<void(int)> hook) {
  const std::lock_guard lock(mutex_);
  on_allocate_ = std::move(hook);
}

void Devices::WatchFaultFile(std::string path) {
  const std::lock_guard lock(mutex_);
  fault_file_ = std::move(path);
}

Usage Devices::GetUsage(int device) {
  const std::lock_guard lock(mutex_);
  return devices_.at(device).usage;
}

void Devices::ReadFaultFile() {
  if (fault_file_.empty()) return;
  std::ostringstream text;
  text << std::ifstream(fault_file_).rdbuf();
  if (text.str() == fault_text_) return;
  fault_text_ = text.str();
  for (Device& device : devices_) device.faults = {};
  std::istringstream lines(fault_text_);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string word;
    words >> word;
    if (!word.starts_with("sim:")) continue;
    Faults& faults = devices_.at(std::stoi(word.substr(4))).faults;
    while (words >> word) {
      const size_t equals = word.find('=');
      if (equals != std::string::npos) SetField(faults, word.substr(0, equals), std::stoll(word.substr(equals + 1)));
    }
  }
}

// With the mutex.
void Devices::CheckAlive(int device) {
  ReadFaultFile();
  const Device& state = devices_.at(device);
  if (state.faults.lost) Fail(kDeviceLost, "device lost: sim:" + std::to_string(device));
  if (state.has_failed) Fail(kIllegalAddress, "an illegal memory access was encountered");
}

void Devices::Run(int device) {
  const std::lock_guard lock(mutex_);
  CheckAlive(device);
  Device& state = devices_.at(device);
  if (state.faults.transient_errors > 0) {
    --state.faults.transient_errors;
    Fail(kBusy, "the device is busy");
  }
  if (state.faults.sticky_error) state.error_is_pending = true;
}

void Devices::Copy(int device) {
  std::chrono::microseconds delay;
  {
    const std::lock_guard lock(mutex_);
    CheckAlive(device);
    delay = devices_.at(device).faults.copy_delay;
  }
  if (delay.count() > 0) std::this_thread::sleep_for(delay);
}

void Devices::Wait(int device) {
  const std::lock_guard lock(mutex_);
  CheckAlive(device);
  Device& state = devices_.at(device);
  if (!state.error_is_pending) return;
  state.has_failed = true;
  Fail(kIllegalAddress, "an illegal memory access was encountered");
}

bool Devices::HasPinnedMemory() {
  const std::lock_guard lock(mutex_);
  ReadFaultFile();
  return std::none_of(devices_.begin(), devices_.end(),
                      [](const Device& device) { return device.faults.no_pinned_memory; });
}

bool Devices::HasFailed() {
  const std::lock_guard lock(mutex_);
  ReadFaultFile();
  return std::any_of(devices_.begin(), devices_.end(),
                     [](const Device& device) { return device.faults.lost || device.has_failed; });
}

bool Devices::HasStreams(int device) {
  const std::lock_guard lock(mutex_);
  ReadFaultFile();
  return !devices_.at(device).faults.no_streams;
}

bool Devices::HasWrongProducts(int device) {
  const std::lock_guard lock(mutex_);
  ReadFaultFile();
  return devices_.at(device).faults.wrong_products;
}

void Devices::CheckRows(int device, int64_t rows) {
  const std::lock_guard lock(mutex_);
  CheckAlive(device);
  const Device& state = devices_.at(device);
  if (state.faults.out_of_memory_over_rows > 0 && rows > state.faults.out_of_memory_over_rows) {
    OutOfMemory(device, 0, state.usage);
  }
}

void* Devices::Allocate(int device, uint64_t bytes) {
  std::unique_lock lock(mutex_);
  if (const auto hook = on_allocate_) {
    lock.unlock();
    hook(device);
    lock.lock();
  }
  CheckAlive(device);
  Device& state = devices_.at(device);
  Usage& usage = state.usage;
  if (state.faults.out_of_memory_times > 0) {
    --state.faults.out_of_memory_times;
    OutOfMemory(device, bytes, usage);
  }
  const int64_t limit = state.faults.out_of_memory_after_bytes;
  const uint64_t most = limit < 0 ? usage.capacity_bytes : std::min<uint64_t>(usage.capacity_bytes, limit);
  if (usage.bytes_in_use + bytes > most) OutOfMemory(device, bytes, usage);
  void* memory = std::aligned_alloc(64, (bytes + 64) / 64 * 64);
  if (memory == nullptr) OutOfMemory(device, bytes, usage);
  usage.bytes_in_use += bytes;
  usage.peak_bytes = std::max(usage.peak_bytes, usage.bytes_in_use);
  ++usage.allocations;
  return memory;
}

void Devices::Free(int device, void* memory, uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  Usage& usage = devices_.at(device).usage;
  usage.bytes_in_use -= bytes;
  --usage.allocations;
  std::free(memory);
}

}  // namespace torchferry::sim
