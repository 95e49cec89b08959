// The first run of a version where it was placed. It shows whether the version runs in its types there, and how lower
// precision changes its outputs.
#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "server/model/loaded_model.h"
#include "server/plan/precision.h"
#include "server/tensor/signature.h"
#include "server/torch/load/placed_copy.h"

namespace torchferry::libtorch {

// The floating types that weights are computed in, where an input is declared with another floating type. Otherwise
// empty. `saved`: the weights' types in the file. Pure.
std::vector<tensor::DType> TypesThatInputsLack(const tensor::Signature& signature, std::span<const tensor::DType> saved,
                                               const plan::PrecisionPlan& precision);

struct PrecisionTrial {
  const MasterModule& master;
  const plan::PrecisionPlan& precision;
  std::span<const tensor::DType> weight_types;  // in the file
  const tensor::DeviceId& device;
  const std::string& file_name;  // for messages
};

// `copy`, which is on the trial's device, as a model. It runs once where its precision was changed, it computes in 16
// bits, or inputs are declared in other types than its weights. The row is the example, or else a generated one, for
// which the config must declare the inputs. A stateful model does not run. `copy` casts its inputs from then on if only
// that makes it run. Where it was made to compute in 16 bits, info.precision_deviation holds the deviation from FP32.
// FAILED_PRECONDITION when it does not run and would in FP32. A device's error is returned. Throws what LibTorch
// throws.
absl::StatusOr<std::shared_ptr<model::Model>> TryPrecision(const PrecisionTrial& trial, PlacedCopy& copy,
                                                           model::ModelInfo& info);

}  // namespace torchferry::libtorch
