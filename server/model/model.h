// A model on one device: what a placement runs. Implemented over LibTorch in `torch`, and by fakes in the tests.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "server/tensor/device_id.h"
#include "server/tensor/host_tensor.h"
#include "server/tensor/signature.h"

namespace torchferry::model {

struct NamedTensor {
  std::string name;
  tensor::HostTensor tensor;
};

// One request's share of a batch.
using Outputs = std::vector<NamedTensor>;

// Where the time of a Predict went, in seconds.
struct PhaseTimes {
  double input = 0;   // gathering the inputs, and copying them to the device
  double infer = 0;   // the forward pass, as far as the host waits for it
  double output = 0;  // waiting for the device, copying from it, splitting
};

// Thread-safe: several workers may run Predict at the same time. A stateful model's Predict is not thread-safe. It runs
// on a copy, and only one caller at a time uses a copy.
class Model {
 public:
  virtual ~Model() = default;

  virtual const tensor::Signature& signature() const = 0;
  virtual const tensor::DeviceId& device() const = 0;

  // Runs one forward pass over all `requests`, whose rows follow one another along dimension 0. The requests have the
  // same BatchKey, and at most max_batch_size rows together. A model without a batch dimension gets exactly one
  // request. Blocks for the forward pass. Returns one Outputs for each request, in order, with its bytes in host
  // memory. INTERNAL: the model raised, or its output disagrees with the signature. A fault of the device is a
  // DeviceFaultStatus: the caller may retry the same requests on another device. `times` is set where Predict succeeds.
  virtual absl::StatusOr<std::vector<Outputs>> Predict(std::span<const tensor::BoundInputs* const> requests,
                                                       PhaseTimes& times) = 0;

  // Bytes that the model holds in the device's memory while it lives: weights, buffers and constants, each counted
  // once. 0: unknown.
  virtual uint64_t weight_bytes() const { return 0; }

  // Returns memory that the device's allocator caches to the device.
  virtual void ReleaseCachedMemory() {}

  // Whether Predict leaves something behind that a later Predict sees.
  virtual bool is_stateful() const { return false; }

  // Makes another stateful model, with its own copy of this one's state. The two share the memory that Predict never
  // writes. The loaded model is copied and never run, so each copy begins with the state in the file. Thread-safe while
  // this one does not run. RESOURCE_EXHAUSTED: out of memory. UNIMPLEMENTED: not stateful.
  virtual absl::StatusOr<std::shared_ptr<Model>> Clone() const;
};

// Requests with equal keys may share a forward pass. They have the same inputs, with the same dtypes and the same
// dimensions except the rows. Their dicts have the same keys, and their scalar arguments are equal to the bit.
std::string BatchKey(const tensor::Signature& signature, const tensor::BoundInputs& inputs);

}  // namespace torchferry::model
