// Decides which element types a version computes in, and why. Pure.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "server/config/model_config.h"
#include "server/tensor/device_id.h"
#include "server/tensor/dtype.h"

namespace torchferry::plan {

struct PrecisionPlan {
  // The types that it computes in: "FP32", "FP16", "BF16". Several, "FP32, FP64", where the file has several and all
  // stay.
  std::string computes_in;
  // Element types that become `to`, in the weights, in the code, and in inputs and outputs. Empty: all stay.
  std::vector<tensor::DType> from;
  tensor::DType to = tensor::DType::kFp32;
  // The weights stay FP32, and operators that gain by it compute in BF16.
  bool autocast_bf16 = false;
  std::string decision;  // a sentence; empty where the file's own types are used by default

  bool changes() const { return !from.empty() || autocast_bf16; }
};

// `saved` are the element types of the file. A CPU computes FP16 in FP32, because FP16 is slow or incomplete on CPUs.
// It computes BF16 only when `has_native_bf16`. FP64 and integers always stay.
PrecisionPlan PlanPrecision(config::Precision wanted, std::span<const tensor::DType> saved,
                            const tensor::DeviceId& device, bool has_native_bf16);

}  // namespace torchferry::plan
