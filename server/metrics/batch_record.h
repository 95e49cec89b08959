// What is counted of one forward pass.
#pragma once

#include <cstdint>
#include <string>

namespace torchferry::metrics {

struct BatchRecord {
  std::string device;
  int64_t requests = 0;
  int64_t rows = 0;
  bool is_answered = false;  // it gave answers
  double seconds = 0;
  double input_seconds = 0;   // of these: gathering the inputs, and copying them to the device
  double infer_seconds = 0;   // the forward pass, as far as the host waits for it
  double output_seconds = 0;  // waiting for the device, copying from it, splitting
  double queue_seconds = 0;   // of all its requests together
};

}  // namespace torchferry::metrics
