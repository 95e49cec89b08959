// Streams of accelerators: queues of work that do not wait for one another.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>
#include <c10/core/Stream.h>
#include <c10/core/StreamGuard.h>

#include <optional>

namespace torchferry {

// A stream of `device` for the calling thread alone, which is its current one for as long as this lives: what it copies and computes waits for no other
// thread's. There are as many as run at the same time, and those used last are used first, since memory that an allocator keeps is a stream's own.
// On the CPU, and on an accelerator that gives no streams, there is none, and all is as without this.
//
// What the thread gave the device is done when Synchronize has returned. Memory that another stream has worked on must not be touched before.
class StreamLease {
 public:
  // `may_lease`: false for work that goes on on other threads, which have the default stream.
  // Throws what LibTorch throws, where the device has failed.
  StreamLease(at::Device device, bool may_lease);
  // Waits for what an exception left on its way; what the device says of that is not heard.
  ~StreamLease();
  StreamLease(const StreamLease&) = delete;
  StreamLease& operator=(const StreamLease&) = delete;

  // Waits for what the calling thread gave the device: where its late errors show. Throws what LibTorch throws.
  void Synchronize();

 private:
  const at::Device device_;
  std::optional<c10::Stream> stream_;
  std::optional<c10::StreamGuard> guard_;
  bool is_done_ = false;
};

// Waits for all of the device's work, as for what was loaded on one stream and runs on others. Nothing on the CPU. Throws what LibTorch throws.
void SynchronizeDevice(at::Device device);

}  // namespace torchferry
