#include "server/rpc/open_inference/open_inference_service.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "server/base/status.h"
#include "server/base/utf8.h"
#include "server/rpc/admin/admin_calls.h"
#include "server/rpc/open_inference/open_inference_codec.h"
#include "server/rpc/open_inference/open_inference_describe.h"
#include "server/rpc/predict/predict_calls.h"
#include "server/rpc/predict/predict_stream.h"
#include "server/rpc/predict/request_builder.h"
#include "server/rpc/predict/visible_models.h"
#include "server/tensor/request_limits.h"

namespace torchferry::rpc {
namespace {

using Service = inference::GRPCInferenceService::AsyncService;

struct Api {
  using RequestMessage = inference::ModelInferRequest;
  using ResponseMessage = inference::ModelInferResponse;
  using StreamMessage = inference::ModelStreamInferResponse;
  static constexpr std::string_view kMethod = "ModelInfer";
  static constexpr std::string_view kStreamMethod = "ModelStreamInfer";

  static const std::string& RequestId(const RequestMessage& message) { return message.id(); }

  static absl::StatusOr<Request> Decode(const RequestMessage& message, base::TimePoint now) {
    return DecodeInferRequest(message, now);
  }

  static absl::Status Encode(const Answer& answer, const RequestMessage& request, OutgoingMessage& response) {
    return EncodeInferAnswer(answer, request, response);
  }

  static absl::Status EncodeForStream(const Answer& answer, const RequestMessage& request, OutgoingMessage& message) {
    ResponseMessage head;
    MarkFinal(head);
    absl::Status status;
    message.AddMessage(StreamMessage::kInferResponseFieldNumber, [&] {
      message.Add(head);
      status = EncodeInferAnswer(answer, request, message);
    });
    return status;
  }

  static void EncodeErrorForStream(const absl::Status& status, const RequestMessage& request,
                                   OutgoingMessage& message) {
    StreamMessage response;
    response.mutable_infer_response()->set_id(IdToRepeat(request.id()));
    response.set_error_message(MessageForField(status));
    MarkFinal(*response.mutable_infer_response());
    message.Add(response);
  }

  // Clients of models that give several answers read until this one; here each request has one.
  static void MarkFinal(ResponseMessage& response) {
    (*response.mutable_parameters())["triton_final_response"].set_bool_param(true);
  }
};

absl::Status CheckRepository(const std::string& name) {
  if (name.empty()) return absl::OkStatus();
  return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                          "repository_name is \"{}\"; there is one store, which has no name: leave it out",
                          base::Excerpt(name, limits::kMaxShownBytes));
}

}  // namespace

// The version that answers, as the registry describes it.
absl::StatusOr<registry::VersionStatus> OpenInferenceService::Ready(const identity::Caller& caller,
                                                                    const std::string& model,
                                                                    const std::string& version) const {
  if (model.empty()) return absl::InvalidArgumentError("the model's name is empty; name the model to describe");
  FERRY_RETURN_IF_ERROR(CheckNameLength("the model's name", model));
  FERRY_ASSIGN_OR_RETURN(const int64_t number, DecodeVersion(version));
  FERRY_ASSIGN_OR_RETURN(const std::shared_ptr<serving::Servable> servable, FindFor(caller, registry_, model, number));
  for (registry::VersionStatus& status : registry_.List(model)) {
    if (status.version != servable->version()) continue;
    status.servable = servable;  // although it may be another one by now
    return std::move(status);
  }
  return base::MakeStatus(absl::StatusCode::kUnavailable, "model \"{}\" version {} is being unloaded; try again", model,
                          servable->version());
}

void OpenInferenceService::Serve(CallLoop& loop) {
  ServeModels(loop);
  ServeRepository(loop);
  ServeUnsupported(loop);
}

void OpenInferenceService::ServeModels(CallLoop& loop) {
  RegisterUnary(loop, service_, &Service::RequestServerLive, [](const auto&, const auto&, auto& response) {
    response.set_live(true);
    return absl::OkStatus();
  });
  RegisterUnary(loop, service_, &Service::RequestServerReady, [this](const auto&, const auto&, auto& response) {
    response.set_ready(options_.is_ready());
    return absl::OkStatus();
  });
  RegisterUnary(loop, service_, &Service::RequestModelReady,
                [this](const auto& caller, const auto& request, auto& response) {
                  return ModelReady(caller, request, response);
                });
  RegisterUnary(loop, service_, &Service::RequestServerMetadata,
                [this](const auto&, const auto&, auto& response) { return ServerMetadata(response); });
  RegisterUnary(loop, service_, &Service::RequestModelMetadata,
                [this](const auto& caller, const auto& request, auto& response) {
                  return ModelMetadata(caller, request, response);
                });
  RegisterAsyncUnary(
      loop, service_, &Service::RequestModelInfer, [this](auto& call) { StartPredict<Api>(predictor_, clock_, call); },
      kPredictsAtOnce);
  RegisterBidi(loop, service_, &Service::RequestModelStreamInfer,
               [this](auto& call) { return std::make_unique<PredictStreamHandler<Api>>(predictor_, clock_, call); });
  RegisterUnary(loop, service_, &Service::RequestModelConfig,
                [this](const auto& caller, const auto& request, auto& response) {
                  return ModelConfig(caller, request, response);
                });
  RegisterUnary(loop, service_, &Service::RequestModelStatistics,
                [this](const auto& caller, const auto& request, auto& response) {
                  return ModelStatistics(caller, request, response);
                });
}

void OpenInferenceService::ServeRepository(CallLoop& loop) {
  RegisterUnary(loop, service_, &Service::RequestRepositoryIndex,
                [this](const auto& caller, const auto& request, auto& response) {
                  return RepositoryIndex(caller, request, response);
                });
  RegisterAsyncUnary(loop, service_, &Service::RequestRepositoryModelLoad,
                     [this](auto& call) { RepositoryModelLoad(call); });
  RegisterAsyncUnary(loop, service_, &Service::RequestRepositoryModelUnload,
                     [this](auto& call) { RepositoryModelUnload(call); });
}

void OpenInferenceService::ServeUnsupported(CallLoop& loop) {
  const auto no_shared_memory = [](const auto&, const auto&, const auto&) {
    return absl::UnimplementedError("this server does not share memory with its clients; send tensors in the message");
  };
  // Of clients that tidy up before they begin: there is nothing.
  const auto nothing_shared = [](const auto&, const auto&, const auto&) { return absl::OkStatus(); };
  RegisterUnary(loop, service_, &Service::RequestSystemSharedMemoryStatus, nothing_shared);
  RegisterUnary(loop, service_, &Service::RequestSystemSharedMemoryRegister, no_shared_memory);
  RegisterUnary(loop, service_, &Service::RequestSystemSharedMemoryUnregister, nothing_shared);
  RegisterUnary(loop, service_, &Service::RequestCudaSharedMemoryStatus, nothing_shared);
  RegisterUnary(loop, service_, &Service::RequestCudaSharedMemoryRegister, no_shared_memory);
  RegisterUnary(loop, service_, &Service::RequestCudaSharedMemoryUnregister, nothing_shared);
  RegisterUnary(loop, service_, &Service::RequestTraceSetting, [](const auto&, const auto&, const auto&) {
    return absl::UnimplementedError("this server writes no traces; /metrics and ModelStatistics have its times");
  });
  RegisterUnary(loop, service_, &Service::RequestLogSettings, [](const auto&, const auto&, const auto&) {
    return absl::UnimplementedError("the log is set when the server starts: --log-level and --log-format");
  });
}

absl::Status OpenInferenceService::ModelReady(const identity::Caller& caller,
                                              const inference::ModelReadyRequest& request,
                                              inference::ModelReadyResponse& response) const {
  FERRY_RETURN_IF_ERROR(CheckNameLength("the model's name", request.name()));
  FERRY_ASSIGN_OR_RETURN(const int64_t version, DecodeVersion(request.version()));
  FERRY_RETURN_IF_ERROR(caller.CheckModel(request.name()));
  const auto found = registry_.Find(request.name(), version);
  response.set_ready(found.ok() && (*found)->can_run());
  return absl::OkStatus();
}

absl::Status OpenInferenceService::ServerMetadata(inference::ServerMetadataResponse& response) const {
  response.set_name("torchferry");
  response.set_version(options_.server_version);
  for (const char* extension : {"model_repository", "model_configuration", "statistics", "classification"})
    response.add_extensions(extension);
  return absl::OkStatus();
}

absl::Status OpenInferenceService::ModelMetadata(const identity::Caller& caller,
                                                 const inference::ModelMetadataRequest& request,
                                                 inference::ModelMetadataResponse& response) const {
  FERRY_ASSIGN_OR_RETURN(const registry::VersionStatus status, Ready(caller, request.name(), request.version()));
  std::vector<int64_t> ready;
  for (const registry::VersionStatus& version : registry_.List(request.name())) {
    if (version.state == registry::VersionState::kReady) ready.push_back(version.version);
  }
  std::ranges::sort(ready);
  DescribeModel(status, ready, response);
  return absl::OkStatus();
}

absl::Status OpenInferenceService::ModelConfig(const identity::Caller& caller,
                                               const inference::ModelConfigRequest& request,
                                               inference::ModelConfigResponse& response) const {
  FERRY_ASSIGN_OR_RETURN(const registry::VersionStatus status, Ready(caller, request.name(), request.version()));
  DescribeConfig(status, *response.mutable_config());
  return absl::OkStatus();
}

absl::Status OpenInferenceService::ModelStatistics(const identity::Caller& caller,
                                                   const inference::ModelStatisticsRequest& request,
                                                   inference::ModelStatisticsResponse& response) const {
  FERRY_RETURN_IF_ERROR(CheckNameLength("the model's name", request.name()));
  FERRY_ASSIGN_OR_RETURN(const int64_t version, DecodeVersion(request.version()));
  if (!request.name().empty()) FERRY_RETURN_IF_ERROR(caller.CheckModel(request.name()));
  const auto versions = request.name().empty() ? ListFor(caller, registry_) : registry_.List(request.name());
  for (const registry::VersionStatus& status : versions) {
    const bool is_wanted = version == 0 || version == status.version;
    if (is_wanted && status.servable != nullptr) DescribeStatistics(status, *response.add_model_stats());
  }
  if (response.model_stats_size() > 0 || request.name().empty()) return absl::OkStatus();
  // Find knows how to say which models and versions there are.
  return FindFor(caller, registry_, request.name(), version).status();
}

absl::Status OpenInferenceService::RepositoryIndex(const identity::Caller& caller,
                                                   const inference::RepositoryIndexRequest& request,
                                                   inference::RepositoryIndexResponse& response) const {
  FERRY_RETURN_IF_ERROR(CheckRepository(request.repository_name()));
  for (const registry::VersionStatus& version : ListFor(caller, registry_)) {
    if (!request.ready() || version.state == registry::VersionState::kReady)
      DescribeIndex(version, *response.add_models());
  }
  return absl::OkStatus();
}

absl::Status OpenInferenceService::CheckAdmin(const std::string& repository, const std::string& model) const {
  FERRY_RETURN_IF_ERROR(CheckAdminIsHere(options_.admin));
  FERRY_RETURN_IF_ERROR(CheckRepository(repository));
  return CheckModelName(model);
}

void OpenInferenceService::RepositoryModelLoad(
    UnaryCall<inference::RepositoryModelLoadRequest, inference::RepositoryModelLoadResponse>& call) {
  const inference::RepositoryModelLoadRequest& request = call.request();
  absl::Status status = CheckAdmin(request.repository_name(), request.model_name());
  if (status.ok() && !request.parameters().empty()) {
    status = base::MakeStatus(
        absl::StatusCode::kUnimplemented,
        "the parameter {}: a model is loaded as its folder in the store has it; put files and config.pbtxt there",
        base::Excerpt(request.parameters().begin()->first, limits::kMaxShownBytes));
  }
  options_.admin_calls->Run(
      call, {"RepositoryModelLoad", request.model_name(), ""}, std::move(status),
      [&](registry::Registry::Done done) { registry_.Load(request.model_name(), {}, std::move(done)); }, [] {});
}

// "unload_dependents" has no effect: no model here depends on another. What is not loaded is unloaded, as clients of
// the protocol expect.
void OpenInferenceService::RepositoryModelUnload(
    UnaryCall<inference::RepositoryModelUnloadRequest, inference::RepositoryModelUnloadResponse>& call) {
  const inference::RepositoryModelUnloadRequest& request = call.request();
  absl::Status status = CheckAdmin(request.repository_name(), request.model_name());
  options_.admin_calls->Run(
      call, {"RepositoryModelUnload", request.model_name(), ""}, std::move(status),
      [&](registry::Registry::Done done) {
        registry_.Unload(request.model_name(), 0, [done = std::move(done)](const absl::Status& unloaded) {
          done(absl::IsNotFound(unloaded) ? absl::OkStatus() : unloaded);
        });
      },
      [] {});
}

}  // namespace torchferry::rpc
