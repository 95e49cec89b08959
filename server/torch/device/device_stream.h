// Streams of accelerators: queues of work that do not wait for one another.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>
#include <c10/core/Stream.h>
#include <c10/core/StreamGuard.h>

#include <optional>
#include <utility>
#include <vector>

namespace torchferry::libtorch {

// A stream of `device` for the calling thread alone. It is the thread's current stream while this lives, so the
// thread's copies and computations wait for no other thread's. A device has a few such streams (device_stream.cc). A
// thread that finds none free uses its current stream, the default one. The same holds on an accelerator without
// streams. On the CPU this does nothing.
//
// The thread's work on the device is done when Synchronize has returned. Memory that another stream has worked on must
// not be touched before that. It must not be freed while another stream may still read it.
class StreamLease {
 public:
  // `may_lease`: false for work that must stay on the default stream, because other threads use its memory. Throws what
  // LibTorch throws, where the device has failed.
  StreamLease(at::Device device, bool may_lease);
  // Waits for work that an exception left in flight, and ignores the device's errors.
  ~StreamLease();
  StreamLease(const StreamLease&) = delete;
  StreamLease& operator=(const StreamLease&) = delete;

  at::Device device() const { return device_; }

  // Keeps `tensor` alive until the device has finished with it, or for ever where that can no longer be known.
  void Keep(at::Tensor tensor) {
    kept_.push_back(std::move(tensor));
    is_done_ = false;
  }

  // Waits for the calling thread's work on the device, whose late errors appear here. Throws what LibTorch throws.
  void Synchronize();

 private:
  const at::Device device_;
  std::optional<c10::Stream> stream_;
  std::optional<c10::StreamGuard> guard_;
  std::vector<at::Tensor> kept_;
  bool is_done_ = false;
};

// Waits for the calling thread's work on the device without a lease, such as a load whose result runs on other streams.
// Does nothing on the CPU. Throws what LibTorch throws.
void SynchronizeStream(at::Device device);

}  // namespace torchferry::libtorch
