// The first run of a version where it was placed: whether it runs in the types that it computes in there, and what
// lower precision does to its outputs.
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

// Floating types that weights are computed in, where an input is declared as a floating type and none of these; else
// none. `saved`: the weights' types in the file. Pure.
std::vector<tensor::DType> TypesThatInputsLack(const tensor::Signature& signature, std::span<const tensor::DType> saved,
                                               const plan::PrecisionPlan& precision);

struct PrecisionTrial {
  const MasterModule& master;
  const plan::PrecisionPlan& precision;
  std::span<const tensor::DType> weight_types;  // in the file
  const tensor::DeviceId& device;
  const std::string& file_name;  // for messages
};

// `copy`, which is on the trial's device, as a model. Where the config declares the inputs, and either it computes in
// 16 bits or they are of other types than its weights, it runs once on a generated row; `copy` casts its inputs from
// then on if only that makes it run. Where it was made to compute in less than FP32, info.precision_deviation says what
// that does. FAILED_PRECONDITION when it does not run and would in FP32; the device's errors. Throws what LibTorch
// throws.
absl::StatusOr<std::shared_ptr<model::Model>> TryPrecision(const PrecisionTrial& trial, PlacedCopy& copy,
                                                           model::ModelInfo& info);

}  // namespace torchferry::libtorch
