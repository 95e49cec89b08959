#include "server/rpc/open_inference_service.h"

#include <algorithm>
#include <vector>

#include "server/base/status.h"
#include "server/rpc/admin_calls.h"
#include "server/rpc/open_inference_codec.h"
#include "server/rpc/open_inference_describe.h"
#include "server/rpc/predict_reactors.h"

namespace torchferry {
namespace {

struct Api {
  using RequestMessage = inference::ModelInferRequest;
  using ResponseMessage = inference::ModelInferResponse;
  using StreamMessage = inference::ModelStreamInferResponse;

  static absl::StatusOr<Request> Decode(const RequestMessage& message, TimePoint now) { return DecodeInferRequest(message, now); }

  static absl::Status Encode(const Answer& answer, const RequestMessage& request, ResponseMessage& response) {
    return EncodeInferAnswer(answer, request, response);
  }

  static void EncodeForStream(const absl::StatusOr<Answer>& answer, const RequestMessage& request, StreamMessage& message) {
    inference::ModelInferResponse& response = *message.mutable_infer_response();
    const absl::Status status = answer.ok() ? Encode(*answer, request, response) : answer.status();
    if (!status.ok()) {
      response.Clear();
      response.set_id(request.id());
      message.set_error_message(MessageOf(status));
    }
    // Clients of models that give several answers ask where they end; here each request has one.
    const auto wants_end = request.parameters().find("triton_enable_empty_final_response");
    if (wants_end != request.parameters().end() && wants_end->second.bool_param()) {
      (*response.mutable_parameters())["triton_final_response"].set_bool_param(true);
    }
  }
};

absl::Status Unsupported(std::string_view what) {
  return MakeStatus(absl::StatusCode::kUnimplemented, "{}", what);
}

absl::Status NoSharedMemory() {
  return Unsupported("this server does not share memory with its clients; send tensors in the message");
}

absl::Status CheckRepository(const std::string& name) {
  if (name.empty()) return absl::OkStatus();
  return MakeStatus(absl::StatusCode::kInvalidArgument, "repository_name is \"{}\"; there is one store, which has no name: leave it out",
                    name);
}

}  // namespace

// The version that answers, as the registry describes it.
absl::StatusOr<VersionStatus> OpenInferenceService::Ready(const std::string& model, const std::string& version) const {
  if (model.empty()) return absl::InvalidArgumentError("the model's name is empty; name the model to describe");
  TF_ASSIGN_OR_RETURN(const int64_t number, DecodeVersion(version));
  TF_ASSIGN_OR_RETURN(const std::shared_ptr<Servable> servable, registry_.Find(model, number));
  for (VersionStatus& status : registry_.List(model)) {
    if (status.version != servable->version()) continue;
    status.servable = servable;  // although it may be another one by now
    return std::move(status);
  }
  return MakeStatus(absl::StatusCode::kUnavailable, "model \"{}\" version {} is being unloaded; try again", model, servable->version());
}

grpc::ServerUnaryReactor* OpenInferenceService::ServerLive(Context context, const inference::ServerLiveRequest*,
                                                           inference::ServerLiveResponse* response) {
  response->set_live(true);
  return FinishNow(context);
}

grpc::ServerUnaryReactor* OpenInferenceService::ServerReady(Context context, const inference::ServerReadyRequest*,
                                                            inference::ServerReadyResponse* response) {
  response->set_ready(options_.is_ready());
  return FinishNow(context);
}

grpc::ServerUnaryReactor* OpenInferenceService::ModelReady(Context context, const inference::ModelReadyRequest* request,
                                                           inference::ModelReadyResponse* response) {
  const absl::StatusOr<int64_t> version = DecodeVersion(request->version());
  if (!version.ok()) return FinishNow(context, version.status());
  const auto found = registry_.Find(request->name(), *version);
  response->set_ready(found.ok() && (*found)->can_run());
  return FinishNow(context);
}

grpc::ServerUnaryReactor* OpenInferenceService::ServerMetadata(Context context, const inference::ServerMetadataRequest*,
                                                               inference::ServerMetadataResponse* response) {
  response->set_name("torchferry");
  response->set_version(options_.server_version);
  for (const char* extension : {"model_repository", "model_configuration", "statistics"}) response->add_extensions(extension);
  return FinishNow(context);
}

grpc::ServerUnaryReactor* OpenInferenceService::ModelMetadata(Context context, const inference::ModelMetadataRequest* request,
                                                              inference::ModelMetadataResponse* response) {
  const absl::StatusOr<VersionStatus> status = Ready(request->name(), request->version());
  if (!status.ok()) return FinishNow(context, status.status());
  std::vector<int64_t> ready;
  for (const VersionStatus& version : registry_.List(request->name())) {
    if (version.state == VersionState::kReady) ready.push_back(version.version);
  }
  std::ranges::sort(ready);
  DescribeModel(*status, ready, *response);
  return FinishNow(context);
}

grpc::ServerUnaryReactor* OpenInferenceService::ModelInfer(Context context, const inference::ModelInferRequest* request,
                                                           inference::ModelInferResponse* response) {
  auto* reactor = new PredictReactor<Api>(*context, clock_);
  reactor->Start(predictor_, *request, *response);
  return reactor;
}

grpc::ServerBidiReactor<inference::ModelInferRequest, inference::ModelStreamInferResponse>* OpenInferenceService::ModelStreamInfer(
    Context context) {
  return new StreamReactor<Api>(predictor_, *context, clock_);
}

grpc::ServerUnaryReactor* OpenInferenceService::ModelConfig(Context context, const inference::ModelConfigRequest* request,
                                                            inference::ModelConfigResponse* response) {
  const absl::StatusOr<VersionStatus> status = Ready(request->name(), request->version());
  if (!status.ok()) return FinishNow(context, status.status());
  DescribeConfig(*status, *response->mutable_config());
  return FinishNow(context);
}

grpc::ServerUnaryReactor* OpenInferenceService::ModelStatistics(Context context, const inference::ModelStatisticsRequest* request,
                                                                inference::ModelStatisticsResponse* response) {
  const absl::StatusOr<int64_t> version = DecodeVersion(request->version());
  if (!version.ok()) return FinishNow(context, version.status());
  for (const VersionStatus& status : registry_.List(request->name())) {
    const bool is_wanted = *version == 0 || *version == status.version;
    if (is_wanted && status.servable != nullptr) DescribeStatistics(status, *response->add_model_stats());
  }
  if (response->model_stats_size() > 0 || request->name().empty()) return FinishNow(context);
  // Find knows how to say which models and versions there are.
  return FinishNow(context, registry_.Find(request->name(), *version).status());
}

grpc::ServerUnaryReactor* OpenInferenceService::RepositoryIndex(Context context, const inference::RepositoryIndexRequest* request,
                                                                inference::RepositoryIndexResponse* response) {
  const absl::Status status = CheckRepository(request->repository_name());
  if (!status.ok()) return FinishNow(context, status);
  for (const VersionStatus& version : registry_.List()) {
    if (!request->ready() || version.state == VersionState::kReady) DescribeIndex(version, *response->add_models());
  }
  return FinishNow(context);
}

absl::Status OpenInferenceService::CheckAdmin(const std::string& repository, const std::string& model) const {
  TF_RETURN_IF_ERROR(CheckAdminIsHere(options_.admin));
  TF_RETURN_IF_ERROR(CheckRepository(repository));
  return CheckModelName(model);
}

grpc::ServerUnaryReactor* OpenInferenceService::RepositoryModelLoad(Context context, const inference::RepositoryModelLoadRequest* request,
                                                                    inference::RepositoryModelLoadResponse*) {
  absl::Status status = CheckAdmin(request->repository_name(), request->model_name());
  if (status.ok() && !request->parameters().empty()) {
    status = MakeStatus(absl::StatusCode::kUnimplemented,
                        "the parameter {}: a model is loaded as its folder in the store has it; put files and config.pbtxt there",
                        request->parameters().begin()->first);
  }
  if (!status.ok()) return FinishNow(context, status);
  return options_.admin_calls->Run([&](Registry::Done done) { registry_.Load(request->model_name(), {}, std::move(done)); }, [] {});
}

// "unload_dependents" has no effect: no model here depends on another.
grpc::ServerUnaryReactor* OpenInferenceService::RepositoryModelUnload(Context context,
                                                                      const inference::RepositoryModelUnloadRequest* request,
                                                                      inference::RepositoryModelUnloadResponse*) {
  const absl::Status status = CheckAdmin(request->repository_name(), request->model_name());
  if (!status.ok()) return FinishNow(context, status);
  return options_.admin_calls->Run([&](Registry::Done done) { registry_.Unload(request->model_name(), 0, std::move(done)); }, [] {});
}

grpc::ServerUnaryReactor* OpenInferenceService::SystemSharedMemoryStatus(Context context,
                                                                         const inference::SystemSharedMemoryStatusRequest*,
                                                                         inference::SystemSharedMemoryStatusResponse*) {
  return FinishNow(context, NoSharedMemory());
}

grpc::ServerUnaryReactor* OpenInferenceService::SystemSharedMemoryRegister(Context context,
                                                                           const inference::SystemSharedMemoryRegisterRequest*,
                                                                           inference::SystemSharedMemoryRegisterResponse*) {
  return FinishNow(context, NoSharedMemory());
}

grpc::ServerUnaryReactor* OpenInferenceService::SystemSharedMemoryUnregister(Context context,
                                                                             const inference::SystemSharedMemoryUnregisterRequest*,
                                                                             inference::SystemSharedMemoryUnregisterResponse*) {
  return FinishNow(context, NoSharedMemory());
}

grpc::ServerUnaryReactor* OpenInferenceService::CudaSharedMemoryStatus(Context context,
                                                                       const inference::CudaSharedMemoryStatusRequest*,
                                                                       inference::CudaSharedMemoryStatusResponse*) {
  return FinishNow(context, NoSharedMemory());
}

grpc::ServerUnaryReactor* OpenInferenceService::CudaSharedMemoryRegister(Context context,
                                                                         const inference::CudaSharedMemoryRegisterRequest*,
                                                                         inference::CudaSharedMemoryRegisterResponse*) {
  return FinishNow(context, NoSharedMemory());
}

grpc::ServerUnaryReactor* OpenInferenceService::CudaSharedMemoryUnregister(Context context,
                                                                           const inference::CudaSharedMemoryUnregisterRequest*,
                                                                           inference::CudaSharedMemoryUnregisterResponse*) {
  return FinishNow(context, NoSharedMemory());
}

grpc::ServerUnaryReactor* OpenInferenceService::TraceSetting(Context context, const inference::TraceSettingRequest*,
                                                             inference::TraceSettingResponse*) {
  return FinishNow(context, Unsupported("this server writes no traces; /metrics and ModelStatistics have its times"));
}

grpc::ServerUnaryReactor* OpenInferenceService::LogSettings(Context context, const inference::LogSettingsRequest*,
                                                            inference::LogSettingsResponse*) {
  return FinishNow(context, Unsupported("the log is set when the server starts: --log-level and --log-format"));
}

}  // namespace torchferry
