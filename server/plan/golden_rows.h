// The golden rows of a passport: inputs, and what the model answered to them when it was saved.
#pragma once

#include <absl/status/statusor.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "server/checkpoint/exported_json.h"
#include "server/plan/passport.h"

namespace torchferry::plan {

// `golden` of a passport. Each stored tensor has as many bytes as its type and shape say. There are at most
// kMaxGoldenRows rows, kMaxGoldenBytes of stored tensors and kMaxFilledBytes of generated ones in all (limits.h).
// INVALID_ARGUMENT with the field's path. Fields that are not known are added to `unknown`. Pure.
absl::StatusOr<GoldenRows> ReadGoldenRows(const checkpoint::JsonValue& value, std::vector<std::string>& unknown);

// INVALID_ARGUMENT where a row has a tensor that `signature` does not have, or has of another type or shape. Pure.
absl::Status CheckGoldenRows(const GoldenRows& golden, const PassportSignature& signature);

// All inputs of a row: those that are stored, and those that are generated, which takes their bytes anew. Pure.
std::map<std::string, tensor::HostTensor> InputsOf(const GoldenRow& row);

// "FP32" and so on, with BYTES. INVALID_ARGUMENT for what no client sends.
absl::StatusOr<tensor::DType> PassportDType(std::string_view name, const std::string& path);

}  // namespace torchferry::plan
