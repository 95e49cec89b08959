// Sets how many threads an operator has on a thread that is not a worker, while a version is loaded or worked on.
#pragma once

#include <ATen/Parallel.h>

#include "server/torch/device/runtime.h"

namespace torchferry::libtorch {

// While it lives, operators of the calling thread use `threads` threads. More threads than a worker's would wait for
// one another while requests run. Code that a module runs at load would then take ten times as long.
//
// The destructor restores the number, and ends the threads themselves. A team that lived on would count against the
// processors. The workers' teams would then sleep between operators instead of waiting awake.
class IntraOpThreads {
 public:
  explicit IntraOpThreads(int threads) : before_(at::get_num_threads()) { at::set_num_threads(threads); }
  ~IntraOpThreads() {
    at::set_num_threads(before_);
    TorchRuntime::ReleaseIntraOpThreads();
  }
  IntraOpThreads(const IntraOpThreads&) = delete;
  IntraOpThreads& operator=(const IntraOpThreads&) = delete;

 private:
  const int before_;
};

}  // namespace torchferry::libtorch
