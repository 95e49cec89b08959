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

// A stream of `device` for the calling thread alone, which is its current one for as long as this lives: what it copies
// and computes waits for no other thread's. There are some of them for a device (device_stream.cc); who finds none free
// has the thread's current stream, the default one. So has everybody on an accelerator that gives no streams. On the
// CPU there is nothing to it.
//
// What the thread gave the device is done when Synchronize has returned. Memory that another stream has worked on must
// not be touched before, nor given up while another stream may still read it.
class StreamLease {
 public:
  // `may_lease`: false for work whose parts must be on the default stream, as its memory is used by other threads.
  // Throws what LibTorch throws, where the device has failed.
  StreamLease(at::Device device, bool may_lease);
  // Waits for what an exception left on its way; what the device says of that is not heard.
  ~StreamLease();
  StreamLease(const StreamLease&) = delete;
  StreamLease& operator=(const StreamLease&) = delete;

  at::Device device() const { return device_; }

  // `tensor` lives until the device is known to be done with it: for ever, if that cannot be known any more.
  void Keep(at::Tensor tensor) {
    kept_.push_back(std::move(tensor));
    is_done_ = false;
  }

  // Waits for what the calling thread gave the device: where its late errors show. Throws what LibTorch throws.
  void Synchronize();

 private:
  const at::Device device_;
  std::optional<c10::Stream> stream_;
  std::optional<c10::StreamGuard> guard_;
  std::vector<at::Tensor> kept_;
  bool is_done_ = false;
};

// Waits for what the calling thread gave the device without a lease, as for what is loaded so and runs on other
// streams. Nothing on the CPU. Throws what LibTorch throws.
void SynchronizeStream(at::Device device);

}  // namespace torchferry::libtorch
