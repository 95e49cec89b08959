// The part of a PredictResponse that `bench` reads: where and how the request ran.
#pragma once

#include <google/protobuf/io/zero_copy_stream.h>

#include "torchferry/v1/inference.pb.h"

namespace torchferry::client {

// Reads a serialised PredictResponse; its outputs are skipped and not copied. False when it is not a PredictResponse.
bool ReadExecution(google::protobuf::io::ZeroCopyInputStream* answer, v1::Execution* execution);

}  // namespace torchferry::client
