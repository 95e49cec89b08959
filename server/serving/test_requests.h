// For the tests: requests with one tensor "x", FP32 [rows, 1], and the results that models make of them.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/base/status.h"
#include "server/serving/servable.h"

namespace torchferry::serving {

using Result = absl::StatusOr<PredictResult>;

// The signature of a model that takes such requests.
inline tensor::Signature SignatureOfX(int64_t max_batch_size) {
  tensor::Signature signature;
  signature.inputs = {
      {"x", tensor::ArgumentKind::kTensor, tensor::DType::kFp32, tensor::Shape{tensor::kAnyDim, 1}, false}};
  signature.max_batch_size = max_batch_size;
  return signature;
}

inline std::vector<float> ValuesOf(const tensor::HostTensor& tensor) {
  std::vector<float> values(tensor.bytes.size() / sizeof(float));
  std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
  return values;
}

// A tensor of shape [values.size(), 1].
inline tensor::HostTensor TensorOf(std::vector<float> values) {
  const auto owner = std::make_shared<std::vector<float>>(std::move(values));
  const auto rows = static_cast<int64_t>(owner->size());
  return {tensor::DType::kFp32, {rows, 1}, std::as_bytes(std::span(*owner)), owner};
}

// The outputs of a model that doubles "x".
inline model::Outputs Doubled(const tensor::BoundInputs& request) {
  std::vector<float> values = ValuesOf(request.values[0][0]);
  for (float& value : values) value *= 2;
  return {{"y", TensorOf(std::move(values))}};
}

// `x` has a value for each row. The inputs and the callback of `task` are set here.
inline std::future<Result> Submit(Servable& servable, std::vector<float> x, PredictTask task = {}) {
  task.inputs.rows = static_cast<int64_t>(x.size());
  task.inputs.values = {{TensorOf(std::move(x))}};
  const auto promise = std::make_shared<std::promise<Result>>();
  // A status of its own: Debian's absl counts references without ThreadSanitizer's knowledge.
  task.done = [promise](Result result) {
    promise->set_value(result.ok() ? std::move(result)
                                   : Result(absl::Status(result.status().code(), base::MessageOf(result.status()))));
  };
  servable.Submit(std::move(task));
  return promise->get_future();
}

// The values of the first output.
inline std::vector<float> Values(const Result& result) { return ValuesOf(result.value().outputs.at(0).tensor); }

}  // namespace torchferry::serving
