#include "server/rpc/torchferry_v1/codec.h"

#include "server/base/status.h"
#include "server/rpc/predict/request_builder.h"
#include "server/rpc/transport/status_map.h"

namespace torchferry::rpc {
namespace {

void EncodeSpec(const tensor::TensorSpec& spec, v1::TensorSpec& message) {
  message.set_name(spec.name);
  message.set_dtype(EncodeDType(spec.dtype));
  message.set_has_shape(spec.shape.has_value());
  if (spec.shape.has_value()) message.mutable_shape()->Add(spec.shape->begin(), spec.shape->end());
  message.set_kind(std::string(Name(spec.kind)));
  message.set_optional(spec.is_optional);
}

v1::ModelState EncodeState(registry::VersionState state) {
  switch (state) {
    case registry::VersionState::kPending:
      return v1::MODEL_STATE_PENDING;
    case registry::VersionState::kLoading:
      return v1::MODEL_STATE_LOADING;
    case registry::VersionState::kReady:
      return v1::MODEL_STATE_READY;
    case registry::VersionState::kUnloading:
      return v1::MODEL_STATE_UNLOADING;
    case registry::VersionState::kFailed:
      return v1::MODEL_STATE_FAILED;
    case registry::VersionState::kUnloaded:
      return v1::MODEL_STATE_UNLOADED;
    case registry::VersionState::kSuspect:
      return v1::MODEL_STATE_SUSPECT;
  }
  return v1::MODEL_STATE_UNSPECIFIED;
}

void EncodeTuning(const model::TuningInfo& tuning, v1::Tuning& message) {
  message.set_variant(tuning.variant);
  message.set_intra_op_threads(tuning.intra_op_threads);
  message.set_batch_rows(tuning.batch_rows);
  message.set_rows_per_second(tuning.rows_per_second);
  message.set_baseline(tuning.baseline);
  message.set_baseline_rows_per_second(tuning.baseline_rows_per_second);
  message.set_deviation(tuning.deviation);
  message.set_kept(tuning.is_kept);
  message.set_is_final(tuning.is_final);
  if (!tuning.latency.has_value()) return;
  v1::TuningLatency& latency = *message.mutable_latency();
  latency.set_variant(tuning.latency->variant);
  latency.set_intra_op_threads(tuning.latency->intra_op_threads);
  latency.set_max_rows(tuning.latency->max_rows);
  latency.set_seconds(tuning.latency->seconds);
  latency.set_throughput_seconds(tuning.latency->throughput_seconds);
}

void EncodeProvenance(const model::Provenance& provenance, v1::Provenance& message) {
  message.set_saved_device(provenance.saved_device);
  message.mutable_saved_dtypes()->Add(provenance.saved_dtypes.begin(), provenance.saved_dtypes.end());
  message.set_torch_version(provenance.torch_version);
  message.set_created(provenance.created);
  message.set_program(provenance.program);
  message.set_git_commit(provenance.git_commit);
  if (provenance.git_dirty.has_value()) message.set_git_dirty(*provenance.git_dirty);
  message.set_run_id(provenance.run_id);
  message.mutable_metrics()->insert(provenance.metrics.begin(), provenance.metrics.end());
  message.set_source(provenance.source);
  message.set_sha256(provenance.sha256);
}

v1::ParityState EncodeState(model::ParityState state) {
  switch (state) {
    case model::ParityState::kNotChecked:
      return v1::PARITY_STATE_NOT_CHECKED;
    case model::ParityState::kPassed:
      return v1::PARITY_STATE_PASSED;
    case model::ParityState::kFailed:
      return v1::PARITY_STATE_FAILED;
  }
  return v1::PARITY_STATE_UNSPECIFIED;
}

void EncodeParity(const model::ParityInfo& parity, v1::Parity& message) {
  message.set_device(parity.device);
  message.set_precision(parity.precision);
  message.set_state(EncodeState(parity.state));
  message.set_rows(parity.rows);
  message.set_difference(parity.difference);
  message.set_allowed(parity.allowed);
  message.set_where(parity.where);
  message.set_rtol(parity.rtol);
  message.set_atol(parity.atol);
  message.set_detail(parity.detail);
}

void EncodeInfo(const model::ModelInfo& info, const std::string& device, v1::ModelVersion& message) {
  v1::ModelFile& file = *message.mutable_file();
  file.set_path(info.file_path);
  file.set_format(info.format);
  file.set_producer(info.producer);
  file.mutable_saved_devices()->Add(info.saved_devices.begin(), info.saved_devices.end());
  file.mutable_saved_dtypes()->Add(info.saved_dtypes.begin(), info.saved_dtypes.end());
  file.set_size_bytes(info.file_bytes);
  if (info.sha256) file.set_sha256(info.sha256());
  file.set_architecture(info.architecture);
  file.set_state_dict_key(info.state_dict_key);
  for (const std::string& prefix : info.removed_prefixes) file.add_removed_prefixes(prefix);
  if (info.provenance != nullptr) EncodeProvenance(*info.provenance, *file.mutable_provenance());
  v1::Placement& placement = *message.mutable_placement();
  placement.set_device(device);
  placement.set_requested_device(info.requested_device);
  placement.set_fallback(info.fallback);
  placement.set_fallback_from(info.fallback_from);
  placement.set_fallback_reason(std::string(Name(info.fallback_reason)));
  placement.set_precision(info.precision);
  if (info.precision_deviation.has_value()) placement.set_precision_deviation(*info.precision_deviation);
  placement.set_rewritten_constants(info.rewritten_constants);
  if (info.tuning.has_value()) EncodeTuning(*info.tuning, *placement.mutable_tuning());
  if (info.parity != nullptr) {
    for (const model::ParityInfo& parity : info.parity->List()) EncodeParity(parity, *placement.add_parity());
  }
  for (const std::string& warning : info.warnings) placement.add_decisions("warning: " + warning);
  placement.mutable_decisions()->Add(info.decisions.begin(), info.decisions.end());
}

void EncodeMemory(const serving::MemoryUse& use, const model::ModelInfo& info, v1::Memory& message) {
  message.set_weight_bytes(static_cast<int64_t>(use.weights));
  message.set_small_batch_weight_bytes(static_cast<int64_t>(use.small_weights));
  message.set_standby_weight_bytes(static_cast<int64_t>(use.other_weights));
  if (info.pass_memory == nullptr) return;
  message.set_pass_bytes(info.pass_memory->bytes);
  message.set_pass_rows(info.pass_memory->rows);
}

// Into the map of outputs, which is a repeated message of a key and a value on the wire.
absl::Status EncodeOutput(const model::NamedTensor& output, OutgoingMessage& message) {
  constexpr int kKey = 1;
  constexpr int kValue = 2;
  const tensor::HostTensor& tensor = output.tensor;
  const v1::DataType dtype = EncodeDType(tensor.dtype);
  if (dtype == v1::DATA_TYPE_UNSPECIFIED) {
    return base::MakeStatus(absl::StatusCode::kInternal,
                            "the model's output \"{}\" is {}, which has no form on the wire; cast it in the model",
                            output.name, Name(tensor.dtype));
  }
  message.AddMessage(v1::PredictResponse::kOutputsFieldNumber, [&] {
    message.AddString(kKey, output.name);
    message.AddMessage(kValue, [&] {
      message.AddNumber(v1::Tensor::kDtypeFieldNumber, dtype);
      message.AddNumbers(v1::Tensor::kShapeFieldNumber, tensor.shape);
      message.AddBytes(v1::Tensor::kDataFieldNumber, tensor.bytes, tensor.owner);
    });
  });
  return absl::OkStatus();
}

void EncodeExecution(const serving::Execution& execution, OutgoingMessage& message) {
  message.AddMessage(v1::PredictResponse::kExecutionFieldNumber, [&] {
    message.AddString(v1::Execution::kDeviceFieldNumber, execution.device);
    message.AddNumber(v1::Execution::kBatchRowsFieldNumber, execution.batch_rows);
    message.AddDouble(v1::Execution::kQueueSecondsFieldNumber, execution.queue_seconds);
    message.AddDouble(v1::Execution::kComputeSecondsFieldNumber, execution.compute_seconds);
    if (!execution.fallback) return;
    message.AddNumber(v1::Execution::kFallbackFieldNumber, 1);
    message.AddString(v1::Execution::kFallbackReasonFieldNumber, Name(execution.fallback_reason));
  });
}

}  // namespace

// The two enumerations go in step as far as the wire's goes.
v1::DataType EncodeDType(tensor::DType dtype) {
  const int number = static_cast<int>(dtype);
  return v1::DataType_IsValid(number) ? static_cast<v1::DataType>(number) : v1::DATA_TYPE_UNSPECIFIED;
}

tensor::DType DecodeDType(v1::DataType dtype) {
  return v1::DataType_IsValid(dtype) ? static_cast<tensor::DType>(dtype) : tensor::DType::kInvalid;
}

absl::StatusOr<Request> DecodeRequest(const v1::PredictRequest& message) {
  RequestBuilder builder;
  FERRY_RETURN_IF_ERROR(builder.Begin(
      message.request_id(),
      {.inputs = message.inputs().size(), .wanted_outputs = static_cast<size_t>(message.outputs_size())}));
  if (message.model_version() < 0) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                            "model_version is {}; expected a positive integer, or 0 for the newest",
                            message.model_version());
  }
  builder.request().version = message.model_version();
  builder.request().priority = message.priority();
  for (const auto& [name, tensor] : message.inputs()) {
    FERRY_RETURN_IF_ERROR(RequestBuilder::CheckTensorName("input", name));
    const tensor::DType dtype = DecodeDType(tensor.dtype());
    if (dtype == tensor::DType::kInvalid) {
      return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                              "input \"{}\" has dtype {}, which does not exist; set one of DataType's values", name,
                              static_cast<int>(tensor.dtype()));
    }
    FERRY_RETURN_IF_ERROR(builder.AddInput(name, dtype,
                                           {tensor.shape().data(), static_cast<size_t>(tensor.shape_size())},
                                           std::as_bytes(std::span(tensor.data()))));
  }
  for (const std::string& name : message.outputs()) FERRY_RETURN_IF_ERROR(builder.AddWanted(name));
  return builder.Take();
}

absl::Status EncodeAnswer(const Answer& answer, const std::string& request_id, OutgoingMessage& message) {
  using Response = v1::PredictResponse;
  message.AddString(Response::kModelNameFieldNumber, answer.model);
  message.AddNumber(Response::kModelVersionFieldNumber, answer.version);
  if (!request_id.empty()) message.AddString(Response::kRequestIdFieldNumber, request_id);
  EncodeExecution(answer.result.execution, message);
  for (const model::NamedTensor& output : answer.result.outputs) FERRY_RETURN_IF_ERROR(EncodeOutput(output, message));
  return absl::OkStatus();
}

void EncodeVersion(const registry::VersionStatus& status, v1::ModelVersion& message) {
  message.set_model_name(status.model);
  message.set_model_version(status.version);
  message.set_state(EncodeState(status.state));
  message.set_error_code(static_cast<int>(status.error.code()));
  message.set_error_message(MessageForField(status.error));
  message.set_load_seconds(status.load_seconds);
  if (status.servable == nullptr) return;
  const tensor::Signature& signature = status.servable->signature();
  for (const tensor::TensorSpec& spec : signature.inputs) EncodeSpec(spec, *message.add_inputs());
  for (const tensor::TensorSpec& spec : signature.outputs) EncodeSpec(spec, *message.add_outputs());
  message.set_max_batch_size(signature.max_batch_size);
  message.set_dynamic_batching(status.servable->batches());
  message.set_stateful(status.servable->is_stateful());
  const model::PlacedModel placement = status.servable->placement();
  const auto& placed = placement.model;
  const model::ModelInfo& info = placement.info;
  EncodeInfo(info, tensor::ToString(placed->device()), message);
  EncodeMemory(status.servable->memory(), info, *message.mutable_placement()->mutable_memory());
}

}  // namespace torchferry::rpc
