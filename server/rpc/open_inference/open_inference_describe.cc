#include "server/rpc/open_inference/open_inference_describe.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "server/base/status.h"
#include "server/rpc/transport/status_map.h"

namespace torchferry::rpc {
namespace {

constexpr char kPlatform[] = "pytorch_libtorch";  // what Triton calls its PyTorch backend's models
constexpr char kBackend[] = "pytorch";

void DescribeTensor(const tensor::TensorSpec& spec, inference::ModelMetadataResponse::TensorMetadata& message) {
  message.set_name(spec.name);
  if (spec.dtype != tensor::DType::kInvalid) message.set_datatype(std::string(Name(spec.dtype)));
  if (spec.shape.has_value()) {
    message.mutable_shape()->Add(spec.shape->begin(), spec.shape->end());
  } else if (tensor::IsScalar(spec.kind)) {
    message.add_shape(1);
  }
}

// Without the batch dimension, as a configuration has it.
template <typename Message>
void FillTensor(const tensor::TensorSpec& spec, bool has_batch_dimension, Message& message) {
  message.set_name(spec.name);
  inference::DataType type = inference::TYPE_INVALID;
  const std::string name = spec.dtype == tensor::DType::kBytes ? "STRING" : std::string(Name(spec.dtype));
  if (spec.dtype != tensor::DType::kInvalid) inference::DataType_Parse("TYPE_" + name, &type);
  message.set_data_type(type);
  if (!spec.shape.has_value()) {
    if (tensor::IsScalar(spec.kind)) message.add_dims(1);
    return;
  }
  const auto first = spec.shape->begin() + (has_batch_dimension ? 1 : 0);
  message.mutable_dims()->Add(first, spec.shape->end());
}

void FillInstances(const registry::VersionStatus& status, inference::ModelConfig& message) {
  const tensor::DeviceId device = status.servable->placement().model->device();
  inference::ModelInstanceGroup& group = *message.add_instance_group();
  group.set_name(status.model + "_0");
  group.set_count(device.IsCpu() ? 1 : std::max(1, status.servable->instances()));
  group.set_kind(device.IsCpu() ? inference::ModelInstanceGroup::KIND_CPU : inference::ModelInstanceGroup::KIND_GPU);
  if (!device.IsCpu()) group.add_gpus(device.index);
}

void Set(const metrics::ModelTotals::Sum& sum, inference::StatisticDuration& message) {
  message.set_count(sum.count);
  message.set_ns(static_cast<uint64_t>(std::llround(sum.seconds * 1e9)));
}

// Both messages with phases have them under the same names.
template <typename Message>
void SetPhases(const metrics::ModelTotals::Phases& phases, Message& message) {
  Set(phases.input, *message.mutable_compute_input());
  Set(phases.infer, *message.mutable_compute_infer());
  Set(phases.output, *message.mutable_compute_output());
}

}  // namespace

void DescribeModel(const registry::VersionStatus& status, const std::vector<int64_t>& ready,
                   inference::ModelMetadataResponse& message) {
  message.set_name(status.model);
  for (const int64_t version : ready) message.add_versions(std::to_string(version));
  message.set_platform(kPlatform);
  const tensor::Signature& signature = status.servable->signature();
  for (const tensor::TensorSpec& spec : signature.inputs) DescribeTensor(spec, *message.add_inputs());
  for (const tensor::TensorSpec& spec : signature.outputs) DescribeTensor(spec, *message.add_outputs());
}

void DescribeConfig(const registry::VersionStatus& status, inference::ModelConfig& message) {
  if (status.config != nullptr && status.config->message != nullptr) message = *status.config->message;
  message.set_name(status.model);
  if (message.platform().empty()) message.set_platform(kPlatform);
  if (message.backend().empty()) message.set_backend(kBackend);
  if (!message.has_version_policy()) message.mutable_version_policy()->mutable_latest()->set_num_versions(1);
  const tensor::Signature& signature = status.servable->signature();
  const bool has_batch_dimension = signature.HasBatchDimension();
  // A program brings what the file does not say.
  if (message.max_batch_size() == 0) message.set_max_batch_size(static_cast<int32_t>(signature.max_batch_size));
  if (status.servable->batches() &&
      message.scheduling_choice_case() == inference::ModelConfig::SCHEDULING_CHOICE_NOT_SET) {
    message.mutable_dynamic_batching();
  }
  if (message.input().empty()) {
    for (const tensor::TensorSpec& spec : signature.inputs) FillTensor(spec, has_batch_dimension, *message.add_input());
  }
  if (message.output().empty()) {
    for (const tensor::TensorSpec& spec : signature.outputs)
      FillTensor(spec, has_batch_dimension, *message.add_output());
  }
  if (message.instance_group().empty()) FillInstances(status, message);
  if (message.default_model_filename().empty()) {
    const std::string path = status.servable->placement().info.file_path;
    message.set_default_model_filename(path.substr(path.rfind('/') + 1));
  }
}

void DescribeStatistics(const registry::VersionStatus& status, inference::ModelStatistics& message) {
  const metrics::ModelTotals totals = status.servable->totals();
  message.set_name(status.model);
  message.set_version(std::to_string(status.version));
  message.set_last_inference(static_cast<uint64_t>(totals.last_unix_milliseconds));
  message.set_inference_count(totals.rows);
  message.set_execution_count(totals.executions);
  inference::InferStatistics& requests = *message.mutable_inference_stats();
  Set(totals.success, *requests.mutable_success());
  Set(totals.fail, *requests.mutable_fail());
  Set(totals.queue, *requests.mutable_queue());
  SetPhases(totals.compute, requests);
  for (const auto& [rows, phases] : totals.batches) {
    inference::InferBatchStatistics& batch = *message.add_batch_stats();
    batch.set_batch_size(static_cast<uint64_t>(rows));
    SetPhases(phases, batch);
  }
}

void DescribeIndex(const registry::VersionStatus& status, inference::RepositoryIndexResponse::ModelIndex& message) {
  message.set_name(status.model);
  if (status.version != 0) message.set_version(std::to_string(status.version));
  switch (status.state) {
    case registry::VersionState::kReady:
      message.set_state("READY");
      return;
    case registry::VersionState::kLoading:
      message.set_state("LOADING");
      return;
    case registry::VersionState::kUnloading:
      message.set_state("UNLOADING");
      return;
    case registry::VersionState::kPending:
      message.set_state("UNAVAILABLE");
      message.set_reason("waits for its turn to load");
      return;
    case registry::VersionState::kUnloaded:
      message.set_state("UNAVAILABLE");
      message.set_reason("unloaded");
      return;
    case registry::VersionState::kSuspect:
    case registry::VersionState::kFailed:
      message.set_state("UNAVAILABLE");
      message.set_reason(MessageForField(status.error));
      return;
  }
}

}  // namespace torchferry::rpc
