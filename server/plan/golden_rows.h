// The golden rows of a passport: inputs, and the model's answers to them when it was saved.
#pragma once

#include <absl/status/statusor.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "server/checkpoint/exported_json.h"
#include "server/plan/passport.h"

namespace torchferry::plan {

// Reads the field `golden` of a passport. Each stored tensor has the number of bytes that its type and shape give. The
// max is kMaxGoldenRows rows, kMaxGoldenBytes of stored tensors and kMaxFilledBytes of generated ones, over all rows
// (limits.h). INVALID_ARGUMENT has the field's path. Unknown fields are added to `unknown`. Pure.
absl::StatusOr<GoldenRows> ReadGoldenRows(const checkpoint::JsonValue& value, std::vector<std::string>& unknown);

// INVALID_ARGUMENT where a row has a tensor that `signature` lacks, or that has another type or shape there. Pure.
absl::Status CheckGoldenRows(const GoldenRows& golden, const PassportSignature& signature);

// Gives all inputs of a row, stored and generated. Each call generates the latter again, in new memory. Pure.
std::map<std::string, tensor::HostTensor> InputsOf(const GoldenRow& row);

// Reads "FP32" and so on, including BYTES. INVALID_ARGUMENT for a type that no client sends.
absl::StatusOr<tensor::DType> PassportDType(std::string_view name, const std::string& path);

}  // namespace torchferry::plan
