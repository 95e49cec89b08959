#include "server/torch/device/device_stream.h"

#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <map>
#include <utility>

#include "server/base/keep_forever.h"
#include "server/base/logging.h"
#include "server/base/mutex.h"
#include "server/torch/device/device_errors.h"

namespace torchferry::libtorch {
namespace {

// Of a device. More would overlap no better, and memory grows with them: LibTorch keeps freed memory for the stream
// that used it, and cuBLAS a workspace of up to 32 MiB for each pair of thread and stream, which nothing gives back.
constexpr int64_t kMaxStreams = 4;

using DeviceKey = std::pair<c10::DeviceType, c10::DeviceIndex>;

DeviceKey KeyOf(at::Device device) { return {device.type(), device.index()}; }

// The streams of this process. Never destroyed: a thread may be late.
class Streams {
 public:
  static Streams& Get() {
    static auto* const streams = new Streams;
    return *streams;
  }

  // Nothing when none is free. The one that this thread had last, if it can be.
  std::optional<c10::Stream> Take(at::Device device) {
    static thread_local std::map<DeviceKey, c10::StreamId> lasts;
    base::MutexLock lock(mutex_);
    OfDevice& streams = devices_[KeyOf(device)];
    if (streams.free.empty() && !MakeOne(device, streams)) return std::nullopt;
    auto found = streams.free.end() - 1;
    if (const auto last = lasts.find(KeyOf(device)); last != lasts.end()) {
      const auto same = std::ranges::find(streams.free, last->second, &c10::Stream::id);
      if (same != streams.free.end()) found = same;
    }
    const c10::Stream stream = *found;
    streams.free.erase(found);
    lasts.insert_or_assign(KeyOf(device), stream.id());
    return stream;
  }

  void GiveBack(const c10::Stream& stream) {
    base::MutexLock lock(mutex_);
    devices_[KeyOf(stream.device())].free.push_back(stream);
  }

 private:
  struct OfDevice {
    std::vector<c10::Stream> free;
    int64_t made = 0;
  };

  bool MakeOne(at::Device device, OfDevice& streams) FERRY_REQUIRES(mutex_) {
    if (streams.made == kMaxStreams) return false;
    try {
      streams.free.push_back(c10::impl::VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device));
    } catch (const c10::Error& error) {
      if (FaultOf(error) != model::DeviceFault::kNone) throw;
      base::LogInfo("no streams", {{"device", device.str()}, {"reason", error.what_without_backtrace()}});
      streams.made = kMaxStreams;
      return false;
    }
    ++streams.made;
    return true;
  }

  base::Mutex mutex_;
  std::map<DeviceKey, OfDevice> devices_ FERRY_GUARDED_BY(mutex_);
};

// Of a GPU, "cuda" is "cuda:N" for the thread's current one.
at::Device WithIndex(at::Device device) {
  return device.is_cpu() || device.has_index() ? device : c10::impl::VirtualGuardImpl(device.type()).getDevice();
}

}  // namespace

StreamLease::StreamLease(at::Device device, bool may_lease) : device_(WithIndex(device)) {
  if (device_.is_cpu() || !may_lease) return;
  stream_ = Streams::Get().Take(device_);
  if (!stream_.has_value()) return;
  try {
    guard_.emplace(*stream_);
  } catch (...) {
    Streams::Get().GiveBack(*stream_);
    throw;
  }
}

StreamLease::~StreamLease() {
  if (!is_done_) {
    try {
      Synchronize();
    } catch (const std::exception&) {  // whoever asks the device next hears of it
    }
  }
  // A device that does not answer may still use them.
  if (!kept_.empty()) base::KeepForever(std::move(kept_));
  guard_.reset();
  if (stream_.has_value()) Streams::Get().GiveBack(*stream_);
}

void StreamLease::Synchronize() {
  is_done_ = true;
  if (stream_.has_value()) {
    stream_->synchronize();
  } else {
    SynchronizeStream(device_);
  }
  kept_.clear();
}

void SynchronizeStream(at::Device device) {
  if (device.is_cpu()) return;
  const c10::impl::VirtualGuardImpl impl(device.type());
  const at::Device indexed = WithIndex(device);
  try {
    impl.synchronizeStream(impl.getStream(indexed));
  } catch (const c10::Error& error) {
    if (FaultOf(error) != model::DeviceFault::kNone) throw;
    impl.synchronizeDevice(indexed.index());  // a backend without streams
  }
}

}  // namespace torchferry::libtorch
