// How many threads an operator has on a thread that is no worker, while a version is loaded or worked on.
#pragma once

#include <ATen/Parallel.h>

#include "server/torch/device/runtime.h"

namespace torchferry::libtorch {

// While it lives, operators of the calling thread use `threads` threads. More than a worker's would wait for one
// another while requests run: code that a module runs at load then takes ten times as long.
//
// At its end the number is what it was, and the threads themselves are gone. A team that lived on would count against
// the processors, and the teams of the workers would then sleep between operators where they should wait awake.
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
