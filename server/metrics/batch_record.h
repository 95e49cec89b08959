// The figures that are counted for one forward pass.
#pragma once

#include <cstdint>
#include <string>

namespace torchferry::metrics {

struct BatchRecord {
  std::string device;
  int64_t requests = 0;
  int64_t rows = 0;
  bool is_answered = false;  // it produced answers
  double seconds = 0;
  double input_seconds = 0;   // part of `seconds`: gathering the inputs, and copying them to the device
  double infer_seconds = 0;   // part of `seconds`: the forward pass, as far as the host waits for it
  double output_seconds = 0;  // part of `seconds`: waiting for the device, copying from it, splitting
  double queue_seconds = 0;   // the sum over its requests
};

}  // namespace torchferry::metrics
