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

// Thread-safe: several workers may run Predict at the same time. A stateful model's Predict is not:
// it runs on a copy, and each copy by one caller at a time.
class Model {
 public:
  virtual ~Model() = default;

  virtual const tensor::Signature& signature() const = 0;
  virtual const tensor::DeviceId& device() const = 0;

  // One forward pass over all `requests`, whose rows follow one another along dimension 0. They have the same BatchKey,
  // and their rows sum up to max_batch_size at most; a model without a batch dimension gets exactly one. Blocks for the
  // forward pass. Gives one Outputs for each request, in order, its bytes in host memory.
  // INTERNAL: the model raised, or its output disagrees with the signature. What the device did is a DeviceFaultStatus:
  // the same requests may be given to the model on another one. `times` is set where it gives answers.
  virtual absl::StatusOr<std::vector<Outputs>> Predict(std::span<const tensor::BoundInputs* const> requests,
                                                       PhaseTimes& times) = 0;

  // What it holds for as long as it lives: weights, buffers and constants, each once, in the device's memory. 0:
  // unknown.
  virtual uint64_t weight_bytes() const { return 0; }

  // Gives memory that the device's allocator keeps for later back to the device.
  virtual void ReleaseCachedMemory() {}

  // Whether Predict leaves something behind that a later Predict sees.
  virtual bool is_stateful() const { return false; }

  // Of a stateful model: another one with state of its own, which is that of this one; what Predict
  // never writes is shared. The loaded model is copied and never run, so each copy begins with the
  // state in the file. Thread-safe while this one does not run. RESOURCE_EXHAUSTED: out of memory.
  // UNIMPLEMENTED: not stateful.
  virtual absl::StatusOr<std::shared_ptr<Model>> Clone() const;
};

// Requests with equal keys may share a forward pass: the same inputs are there, with the same dtypes and the same
// dimensions but for the rows, dicts have the same keys, and scalar arguments are equal to the bit.
std::string BatchKey(const tensor::Signature& signature, const tensor::BoundInputs& inputs);

}  // namespace torchferry::model
