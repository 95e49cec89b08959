// Fields of a model version, in the words that both its text and its JSON use.
#pragma once

#include <google/protobuf/repeated_ptr_field.h>

#include <string>

#include "server/tensor/shape.h"
#include "torchferry/v1/inference.pb.h"

namespace torchferry::client {

using ModelVersions = google::protobuf::RepeatedPtrField<v1::ModelVersion>;

std::string StateName(v1::ModelState state);                 // "READY"; "UNKNOWN" for a later server's
std::string ErrorCodeName(const v1::ModelVersion& version);  // "DATA_LOSS"
std::string ParityName(const v1::Parity& parity);            // "passed", "not_checked"; "unknown" for a later server's
std::string DTypeName(v1::DataType number);                  // "FP32", or "any"
tensor::Shape ShapeOf(const v1::TensorSpec& spec);

}  // namespace torchferry::client
