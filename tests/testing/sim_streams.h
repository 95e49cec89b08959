// What the simulated accelerator does while the host goes on: copies between a device and page-locked memory. A real
// one does them at some time; this one does them as late as it may, so that what does not wait for them sees that it
// should have.
#pragma once

#include <c10/core/Allocator.h>

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "tests/testing/sim_device.h"

namespace torchferry::sim {

// Since Configure.
struct Traffic {
  uint64_t late_copies = 0;      // that the host did not wait for
  uint64_t blocking_copies = 0;  // between the host and the device
  uint64_t waits = 0;            // for a stream, or for the whole device
  std::vector<int64_t> taken;    // streams that were taken from the pool
  std::set<int64_t> copied_on;   // streams of the late copies
};

// Of the process. Thread-safe.
class Streams {
 public:
  static constexpr int64_t kDefault = 0;

  static Streams& Get();
  // Nothing is in flight, and nothing was counted.
  void Configure();

  // A stream of the device's pool. Throws when the device has none.
  int64_t Take(int device);
  // The calling thread's.
  static int64_t Current(int device);
  static int64_t Exchange(int device, int64_t stream);

  void Later(int device, int64_t stream, std::function<void()> work);
  // Does what the stream was given. Throws what that throws.
  void Run(int device, int64_t stream);
  void RunCurrent(int device) { Run(device, Current(device)); }
  // As the host's waiting: that, and what has failed shows.
  void Wait(int device, int64_t stream);
  void WaitForAll(int device);

  void CountBlockingCopy(int device);
  Traffic GetTraffic(int device);

 private:
  struct Queue {
    std::mutex running;
    std::vector<std::function<void()>> work;  // guarded by the Streams'
  };

  Queue& QueueOf(int device, int64_t stream);

  std::mutex mutex_;
  std::map<std::pair<int, int64_t>, Queue> queues_;
  std::array<Traffic, kMaxDevices> traffic_;
  std::array<int64_t, kMaxDevices> taken_{};  // in all
};

// Page-locked memory.
c10::Allocator* GetPinnedAllocator();
bool IsPinned(const void* data);

}  // namespace torchferry::sim
