#include "tests/testing/sim_streams.h"

#include <c10/util/Exception.h>

#include <cstdlib>
#include <cstring>

namespace torchferry::sim {
namespace {

constexpr int64_t kStreams = 32;

thread_local std::array<int64_t, kMaxDevices> current_streams{};

struct Pinned {
  std::mutex mutex;
  std::map<const std::byte*, size_t> blocks;  // begin and size
};

Pinned& GetPinned() {
  static auto* const pinned = new Pinned;
  return *pinned;
}

class PinnedAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    TORCH_CHECK(Devices::Get().HasPinnedMemory(), "SIM error: out of memory");
    void* memory = std::aligned_alloc(64, (bytes + 64) / 64 * 64);
    TORCH_CHECK(memory != nullptr, "SIM error: out of memory");
    Pinned& pinned = GetPinned();
    const std::lock_guard lock(pinned.mutex);
    pinned.blocks[static_cast<std::byte*>(memory)] = bytes;
    return {memory, memory, &Free, c10::Device(c10::DeviceType::CPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &Free; }
  void copy_data(void* to, const void* from, size_t bytes) const override { std::memcpy(to, from, bytes); }

 private:
  // As CUDA's, which asks the device how far it is with the memory.
  static void Free(void* memory) {
    TORCH_CHECK(!Devices::Get().HasFailed(), "SIM error: device lost");
    {
      Pinned& pinned = GetPinned();
      const std::lock_guard lock(pinned.mutex);
      pinned.blocks.erase(static_cast<const std::byte*>(memory));
    }
    std::free(memory);
  }
};

}  // namespace

Streams& Streams::Get() {
  static auto* const streams = new Streams;
  return *streams;
}

void Streams::Configure() {
  const std::lock_guard lock(mutex_);
  for (auto& [key, queue] : queues_) queue.work.clear();
  traffic_ = {};
}

int64_t Streams::Take(int device) {
  TORCH_CHECK(Devices::Get().HasStreams(device), "sim:", device, " has one stream alone");
  const std::lock_guard lock(mutex_);
  const int64_t stream = taken_.at(device)++ % kStreams + 1;
  traffic_.at(device).taken.push_back(stream);
  return stream;
}

int64_t Streams::Current(int device) { return current_streams.at(device); }

int64_t Streams::Exchange(int device, int64_t stream) { return std::exchange(current_streams.at(device), stream); }

Streams::Queue& Streams::QueueOf(int device, int64_t stream) {
  const std::lock_guard lock(mutex_);
  return queues_[{device, stream}];
}

void Streams::Later(int device, int64_t stream, std::function<void()> work) {
  Queue& queue = QueueOf(device, stream);
  const std::lock_guard lock(mutex_);
  queue.work.push_back(std::move(work));
  ++traffic_.at(device).late_copies;
  traffic_.at(device).copied_on.insert(stream);
}

void Streams::Run(int device, int64_t stream) {
  Queue& queue = QueueOf(device, stream);
  const std::lock_guard running(queue.running);
  std::vector<std::function<void()>> work;
  {
    const std::lock_guard lock(mutex_);
    work.swap(queue.work);
  }
  for (const auto& task : work) task();
}

void Streams::Wait(int device, int64_t stream) {
  {
    const std::lock_guard lock(mutex_);
    ++traffic_.at(device).waits;
  }
  Run(device, stream);
  Devices::Get().Wait(device);
}

void Streams::WaitForAll(int device) {
  std::vector<int64_t> streams;
  {
    const std::lock_guard lock(mutex_);
    ++traffic_.at(device).waits;
    for (const auto& [key, queue] : queues_) {
      if (key.first == device) streams.push_back(key.second);
    }
  }
  for (const int64_t stream : streams) Run(device, stream);
  Devices::Get().Wait(device);
}

void Streams::CountBlockingCopy(int device) {
  const std::lock_guard lock(mutex_);
  ++traffic_.at(device).blocking_copies;
}

Traffic Streams::GetTraffic(int device) {
  const std::lock_guard lock(mutex_);
  return traffic_.at(device);
}

c10::Allocator* GetPinnedAllocator() {
  static auto* const allocator = new PinnedAllocator;
  return allocator;
}

bool IsPinned(const void* data) {
  Pinned& pinned = GetPinned();
  const std::lock_guard lock(pinned.mutex);
  const auto* at = static_cast<const std::byte*>(data);
  const auto after = pinned.blocks.upper_bound(at);
  return after != pinned.blocks.begin() && at < std::prev(after)->first + std::prev(after)->second;
}

}  // namespace torchferry::sim
