// Which element types a version computes in, and why. Pure.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "server/config/model_config.h"
#include "server/tensor/device_id.h"
#include "server/tensor/dtype.h"

namespace torchferry::plan {

struct PrecisionPlan {
  // What it computes in: "FP32", "FP16", "BF16"; several, "FP32, FP64", where the file has several and all stay.
  std::string computes_in;
  // Element types that become `to`, in the weights, in the code and at the border; none: all stay.
  std::vector<tensor::DType> from;
  tensor::DType to = tensor::DType::kFp32;
  // FP32 weights; operators that gain by it compute in BF16.
  bool autocast_bf16 = false;
  std::string decision;  // a sentence; empty where the file's own types are used and nobody asked

  bool changes() const { return !from.empty() || autocast_bf16; }
};

// `saved`: the element types of the file. A CPU computes FP16 in FP32, as none is fast or complete in it, and BF16 only
// when `has_native_bf16`. FP64 and integers always stay.
PrecisionPlan PlanPrecision(config::Precision wanted, std::span<const tensor::DType> saved,
                            const tensor::DeviceId& device, bool has_native_bf16);

}  // namespace torchferry::plan
