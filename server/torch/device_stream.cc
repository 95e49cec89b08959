#include "server/torch/device_stream.h"

#include <c10/core/impl/VirtualGuardImpl.h>

#include <map>
#include <set>
#include <utility>
#include <vector>

#include "server/base/logging.h"
#include "server/base/mutex.h"
#include "server/torch/device_errors.h"

namespace torchferry {
namespace {

// The streams of this process that are not leased. Never destroyed: a thread may be late.
class FreeStreams {
 public:
  static FreeStreams& Get() {
    static auto* const streams = new FreeStreams;
    return *streams;
  }

  std::optional<c10::Stream> Take(at::Device device) {
    const c10::impl::VirtualGuardImpl impl(device.type());
    const Key key{device.type(), device.index()};
    {
      MutexLock lock(mutex_);
      if (without_.contains(key)) return std::nullopt;
      std::vector<c10::Stream>& free = free_[key];
      if (!free.empty()) {
        const c10::Stream last = free.back();
        free.pop_back();
        return last;
      }
    }
    try {
      return impl.getStreamFromGlobalPool(device);
    } catch (const c10::Error& error) {
      if (FaultOf(error) != DeviceFault::kNone) throw;
      MutexLock lock(mutex_);
      if (without_.insert(key).second) LogInfo("no streams", {{"device", device.str()}, {"reason", error.what_without_backtrace()}});
      return std::nullopt;
    }
  }

  void GiveBack(const c10::Stream& stream) {
    MutexLock lock(mutex_);
    free_[{stream.device_type(), stream.device_index()}].push_back(stream);
  }

 private:
  using Key = std::pair<c10::DeviceType, c10::DeviceIndex>;

  Mutex mutex_;
  std::map<Key, std::vector<c10::Stream>> free_ TF_GUARDED_BY(mutex_);
  std::set<Key> without_ TF_GUARDED_BY(mutex_);
};

// Of a GPU, "cuda" is "cuda:N" for the thread's current one.
at::Device WithIndex(at::Device device) {
  return device.is_cpu() || device.has_index() ? device : c10::impl::VirtualGuardImpl(device.type()).getDevice();
}

}  // namespace

StreamLease::StreamLease(at::Device device, bool may_lease) : device_(WithIndex(device)) {
  if (device_.is_cpu()) return;
  if (may_lease) stream_ = FreeStreams::Get().Take(device_);
  if (stream_.has_value()) guard_.emplace(*stream_);
}

StreamLease::~StreamLease() {
  if (!is_done_) {
    try {
      Synchronize();
    } catch (const std::exception&) {  // whoever asks the device next hears of it
    }
  }
  guard_.reset();
  if (stream_.has_value()) FreeStreams::Get().GiveBack(*stream_);
}

void StreamLease::Synchronize() {
  is_done_ = true;
  if (stream_.has_value()) {
    stream_->synchronize();
  } else {
    SynchronizeDevice(device_);
  }
}

void SynchronizeDevice(at::Device device) {
  if (!device.is_cpu()) c10::impl::VirtualGuardImpl(device.type()).synchronizeDevice(WithIndex(device).index());
}

}  // namespace torchferry
