// A simulated accelerator: devices "sim:0", "sim:1", … with a memory of their own size, which compute on the CPU and
// fail when they are told to. It stands where a GPU would, behind the same device-generic LibTorch calls.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>

namespace torchferry::sim {

constexpr int kMaxDevices = 8;

// What is wrong with a device. A default-constructed one is sound.
struct Faults {
  // Allocations fail once this many bytes are in use, whatever the capacity; negative: never.
  int64_t out_of_memory_after_bytes = -1;
  // Allocations fail for a tensor whose dimension 0 is larger; 0: never. A batch that is too large, and its half is
  // not.
  int64_t out_of_memory_over_rows = 0;
  // An illegal access in the next operator. As with a real one, nobody hears of it before the device is waited for (a
  // copy to the host), and from then on every call fails until the process ends.
  bool sticky_error = false;
  // The device is gone: every call fails at once.
  bool lost = false;
  // So many operators, from the next on, fail at once; after them the device is as before.
  int64_t transient_errors = 0;
  // So many allocations, from the next on, fail.
  int64_t out_of_memory_times = 0;
  // Each copy to or from the device takes so much longer.
  std::chrono::microseconds copy_delay{0};
  // There is no page-locked memory any more, for all devices.
  bool no_pinned_memory = false;
  // The device has its default stream alone.
  bool no_streams = false;
  // Matrix products and convolutions come out larger by a sixteenth, and no call fails.
  bool wrong_products = false;
};

struct Usage {
  uint64_t capacity_bytes = 0;
  uint64_t bytes_in_use = 0;
  uint64_t peak_bytes = 0;
  uint64_t allocations = 0;  // that are alive
};

// Of the process. Thread-safe. Functions that stand for a call of the device throw c10::Error with a text like CUDA's.
class Devices {
 public:
  static Devices& Get();

  // Before any other call: how many there are (kMaxDevices at most), and the memory of each.
  void Configure(int count, uint64_t capacity_bytes);
  int count() const { return count_; }

  void SetFaults(int device, const Faults& faults);
  // Called before each allocation, without a lock held: there a test can hold a thread up. Null: nothing is. Configure
  // takes it away.
  void OnAllocate(std::function<void(int device)> hook);
  // Faults in the form of a file, a device a line: "sim:0 out_of_memory_after_bytes=1000 sticky_error=1". Devices
  // without a line are sound. It is read again when it has changed.
  void WatchFaultFile(std::string path);
  Usage GetUsage(int device);

  // An operator starts. Throws when the device is lost or has failed.
  void Run(int device);
  // A copy from or to the device.
  void Copy(int device);
  // The host waits for the device.
  void Wait(int device);
  bool HasPinnedMemory();
  // Any of them is lost or has failed.
  bool HasFailed();
  bool HasStreams(int device);
  bool HasWrongProducts(int device);
  // A tensor of so many rows is about to be made.
  void CheckRows(int device, int64_t rows);
  void* Allocate(int device, uint64_t bytes);
  void Free(int device, void* memory, uint64_t bytes);

 private:
  struct Device {
    Faults faults;
    Usage usage;
    bool error_is_pending = false;
    bool has_failed = false;
  };

  void ReadFaultFile();
  void CheckAlive(int device);

  int count_ = 0;
  std::mutex mutex_;
  std::array<Device, kMaxDevices> devices_;
  std::function<void(int)> on_allocate_;
  std::string fault_file_;
  std::string fault_text_;
};

}  // namespace torchferry::sim
