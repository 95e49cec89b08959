#include "server/torch/device/staging.h"

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <ATen/core/CachingHostAllocator.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <map>
#include <utility>
#include <vector>

#include "server/base/clock.h"
#include "server/base/logging.h"
#include "server/base/mutex.h"
#include "server/torch/device/convert.h"

namespace torchferry::libtorch {
namespace {

// Of page-locked memory, for each device: it is taken from everybody else. Ordinary memory does for the rest.
constexpr size_t kMaxStagingBytes = size_t{256} << 20;
constexpr size_t kLeastBytes = 4096;

// A block that nobody has needed for this long goes back: after a burst, the others want the memory.
constexpr base::Duration kMaxIdle = std::chrono::seconds(30);
constexpr base::Duration kSweepInterval = std::chrono::seconds(5);

// Page-locked memory in blocks, each a power of two in size, for one device. LibTorch's own cache would do, but it asks
// the device at each free how far it is, and throws from a destructor when that has failed; here whoever gives a block
// back has waited. Thread-safe, never destroyed.
class StagingPool {
 public:
  struct Block {
    c10::DataPtr memory;
    size_t bytes = 0;
    base::TimePoint idle_since{};
  };

  static StagingPool& Of(at::Device device) {
    static auto* const mutex = new base::Mutex;
    static auto* const pools = new std::map<std::pair<c10::DeviceType, c10::DeviceIndex>, std::unique_ptr<StagingPool>>;
    base::MutexLock lock(*mutex);
    std::unique_ptr<StagingPool>& pool = (*pools)[{device.type(), device.index()}];
    if (pool == nullptr) pool.reset(new StagingPool(device));
    return *pool;
  }

  // Nothing when there is no more.
  std::optional<Block> Take(size_t bytes) {
    const size_t size = std::bit_ceil(std::max(bytes, kLeastBytes));
    base::MutexLock lock(mutex_);
    std::vector<Block>& idle = idle_[size];
    if (!idle.empty()) {
      Block block = std::move(idle.back());
      idle.pop_back();
      return block;
    }
    if (size > kMaxStagingBytes || !has_memory_) return std::nullopt;
    if (bytes_ + size > kMaxStagingBytes) FreeIdle();
    if (bytes_ + size > kMaxStagingBytes) return std::nullopt;
    return Make(size);
  }

  void GiveBack(Block block) {
    const base::TimePoint now = base::Clock::Real().Now();
    base::MutexLock lock(mutex_);
    block.idle_since = now;
    idle_[block.bytes].push_back(std::move(block));
    if (now - swept_at_ >= kSweepInterval) Sweep(now);
  }

  void Release() {
    base::MutexLock lock(mutex_);
    FreeIdle();
  }

  void SweepAt(base::TimePoint now) {
    base::MutexLock lock(mutex_);
    Sweep(now);
  }

 private:
  explicit StagingPool(at::Device device) : device_(device) {}

  std::optional<Block> Make(size_t size) FERRY_REQUIRES(mutex_) {
    try {
      Block block{at::globalContext().getPinnedMemoryAllocator(device_.type())->allocate(size), size};
      bytes_ += size;
      return block;
    } catch (const std::exception& error) {
      base::LogInfo("no page-locked memory",
                    {{"device", device_.str()}, {"bytes", size}, {"reason", CleanMessage(error.what())}});
      has_memory_ = false;
      return std::nullopt;
    }
  }

  // False: the allocator does not take it back, as it asks a device that has failed. The block stays with its owner. It
  // is still memory of this host, and can be used again.
  bool Free(Block& block) FERRY_REQUIRES(mutex_) {
    const c10::DeleterFnPtr deleter = block.memory.get_deleter();
    try {
      if (deleter != nullptr) deleter(block.memory.get_context());
    } catch (const std::exception&) {
      return false;
    }
    block.memory.release_context();
    bytes_ -= block.bytes;
    return true;
  }

  // Blocks are taken from the back, so those at the front have been idle longest.
  void Sweep(base::TimePoint now) FERRY_REQUIRES(mutex_) {
    swept_at_ = now;
    if (FreeIf([&](const Block& block) { return now - block.idle_since >= kMaxIdle; })) EmptyCache();
  }

  void FreeIdle() FERRY_REQUIRES(mutex_) {
    FreeIf([](const Block&) { return true; });
    EmptyCache();
  }

  // Whether any idle block went back.
  template <typename Predicate>
  bool FreeIf(const Predicate& is_free) FERRY_REQUIRES(mutex_) {
    size_t freed = 0;
    for (auto& [size, blocks] : idle_) {
      std::vector<Block> left;
      for (Block& block : blocks) {
        if (is_free(block) && Free(block)) {
          ++freed;
        } else {
          left.push_back(std::move(block));
        }
      }
      blocks = std::move(left);
    }
    return freed > 0;
  }

  void EmptyCache() FERRY_REQUIRES(mutex_) {
    // A backend may have an allocator that keeps nothing, and no entry here.
    try {
      if (at::HostAllocator* allocator = at::getHostAllocator(device_.type())) allocator->empty_cache();
    } catch (const std::exception&) {
    }
    has_memory_ = true;
  }

  const at::Device device_;
  base::Mutex mutex_;
  std::map<size_t, std::vector<Block>> idle_ FERRY_GUARDED_BY(mutex_);
  size_t bytes_ FERRY_GUARDED_BY(mutex_) = 0;  // in use or idle
  bool has_memory_ FERRY_GUARDED_BY(mutex_) = true;
  base::TimePoint swept_at_ FERRY_GUARDED_BY(mutex_){};
};

}  // namespace

at::Tensor StagingTensor(at::IntArrayRef sizes, at::ScalarType type, StreamLease& stream) {
  const at::TensorOptions options = at::TensorOptions().dtype(type);
  if (stream.device().is_cpu()) return at::empty(sizes, options);
  StagingPool& pool = StagingPool::Of(stream.device());
  std::optional<StagingPool::Block> block =
      pool.Take(static_cast<size_t>(c10::multiply_integers(sizes)) * c10::elementSize(type));
  at::Tensor tensor;
  if (block.has_value()) {
    void* const data = block->memory.get();
    const auto shared = std::make_shared<StagingPool::Block>(*std::move(block));
    tensor = at::from_blob(
        data, sizes, [&pool, shared](void*) { pool.GiveBack(std::move(*shared)); }, options);
  } else {
    tensor = at::empty(sizes, options);
  }
  stream.Keep(tensor);
  return tensor;
}

at::Tensor ToDevice(const at::Tensor& tensor, at::Device device, at::ScalarType type) {
  if (device.is_cpu()) return tensor.to(type);
  return tensor.to(device, /*non_blocking=*/true).to(type);
}

at::Tensor ToHost(const at::Tensor& tensor, StreamLease& stream) {
  // Conjugation and negation may be a mark on a view.
  const at::Tensor plain = tensor.resolve_conj().resolve_neg();
  if (plain.is_cpu()) return plain.contiguous();
  at::Tensor host = StagingTensor(plain.sizes(), plain.scalar_type(), stream);
  host.copy_(plain, /*non_blocking=*/true);
  return host;
}

void ReleaseStagingMemory(at::Device device) {
  if (!device.is_cpu()) StagingPool::Of(device).Release();
}

void SweepStagingMemory(at::Device device, base::TimePoint now) {
  if (!device.is_cpu()) StagingPool::Of(device).SweepAt(now);
}

}  // namespace torchferry::libtorch
