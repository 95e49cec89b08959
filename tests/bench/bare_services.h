// The services of torchferry-bench-bare-server: they answer with zeros and run nothing.
#pragma once

#include <grpcpp/impl/service_type.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "torchferry/v1/inference.pb.h"

namespace torchferry::bench {

struct BareTensor {
  std::string name;
  v1::DataType dtype;
  std::vector<int64_t> dims;  // of a row
};

struct BareModel {
  std::string name;
  std::vector<BareTensor> inputs;
  std::vector<BareTensor> outputs;  // FP32
};

constexpr int kMaxBatchRows = 1024;

// As many zero bytes as `rows` of an output have.
inline std::string Zeros(const BareTensor& output, int64_t rows) {
  const int64_t elements = std::accumulate(output.dims.begin(), output.dims.end(), rows, std::multiplies<>());
  return std::string(static_cast<size_t>(elements) * sizeof(float), '\0');
}

// torchferry.v1's InferenceService: Predict, and GetModel, which the load generator asks first.
std::unique_ptr<grpc::Service> MakeBarePredict(BareModel model);

// inference.GRPCInferenceService: ModelInfer, and what perf_analyzer asks beside it.
std::unique_ptr<grpc::Service> MakeBareInfer(BareModel model);

}  // namespace torchferry::bench
