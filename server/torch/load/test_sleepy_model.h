// A model for the tests of tuning: its answers are known, and how long it takes.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "server/config/model_config.h"
#include "server/model/model.h"
#include "server/torch/load/throughput.h"

namespace torchferry::libtorch {

// Doubles its input, sleeping for each batch and each row.
class SleepyModel : public model::Model {
 public:
  struct How {
    std::chrono::microseconds batch{0};
    std::chrono::microseconds row{0};
    float factor = 2;
    int64_t max_rows = 1000;
    int64_t knee = 1000;  // rows beyond it take three times as long
  };

  SleepyModel(const config::ModelConfig& config, How how) : how_(how) {
    const tensor::Shape shape = config.max_batch_size > 0 ? tensor::Shape{tensor::kAnyDim, 2} : tensor::Shape{2};
    signature_ = {{{.name = "x", .dtype = tensor::DType::kFp32, .shape = shape}}, {}, config.max_batch_size};
  }

  const tensor::Signature& signature() const override { return signature_; }
  const tensor::DeviceId& device() const override { return device_; }

  absl::StatusOr<std::vector<model::Outputs>> Predict(std::span<const tensor::BoundInputs* const> requests,
                                                      model::PhaseTimes&) override {
    ++runs;
    max_rows = std::max<int64_t>(max_rows, static_cast<int64_t>(requests.size()));
    if (static_cast<int64_t>(requests.size()) > how_.max_rows) return absl::InternalError("too many rows");
    const auto rows = static_cast<int64_t>(requests.size());
    std::this_thread::sleep_for(how_.batch + how_.row * (rows + 2 * std::max<int64_t>(0, rows - how_.knee)));
    std::vector<model::Outputs> answers;
    for (const tensor::BoundInputs* request : requests) {
      const tensor::HostTensor& x = request->values[0][0];
      const auto bytes = std::make_shared<std::vector<float>>(x.bytes.size() / sizeof(float));
      std::memcpy(bytes->data(), x.bytes.data(), x.bytes.size());
      for (float& value : *bytes) value *= how_.factor;
      answers.push_back({{"y", {tensor::DType::kFp32, x.shape, std::as_bytes(std::span(*bytes)), bytes}}});
    }
    return answers;
  }

  // The throughput that a quiet machine would measure, computed instead. More threads help only a batch that runs
  // alone.
  Throughput ThroughputOf(int64_t rows, const Load& load) const {
    const std::chrono::duration<double> pass = how_.batch + how_.row * rows;
    const double gain = load.workers == 1 ? load.threads : 1;
    return {.rows_per_second = static_cast<double>(rows * load.workers) * gain / pass.count()};
  }

  std::atomic<int> runs{0};
  std::atomic<int64_t> max_rows{0};

 private:
  const How how_;
  tensor::Signature signature_;
  const tensor::DeviceId device_ = tensor::DeviceId::Cpu();
};

}  // namespace torchferry::libtorch
