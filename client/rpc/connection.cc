#include "client/rpc/connection.h"

#include <grpcpp/create_channel.h>

#include <algorithm>
#include <limits>
#include <thread>
#include <utility>

#include "client/rpc/errors.h"
#include "client/rpc/token.h"
#include "server/base/status.h"

namespace torchferry::client {
namespace {

// gRPC would take port 443 where none is given, and "http" for a host.
absl::Status CheckAddress(const std::string& address) {
  const size_t colon = address.rfind(':');
  const bool is_url =
      address.find("://") != std::string::npos && !address.starts_with("dns:///") && !address.starts_with("unix://");
  if (is_url || colon == std::string::npos || colon == 0 || colon + 1 == address.size()) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                            "address \"{}\" is not HOST:PORT, such as 127.0.0.1:8001, nor unix:/FOLDER/FILE", address);
  }
  return absl::OkStatus();
}

std::shared_ptr<grpc::Channel> MakeChannel(const Connection::Options& options,
                                           const std::shared_ptr<grpc::ChannelCredentials>& credentials,
                                           bool is_separate) {
  grpc::ChannelArguments arguments;
  if (is_separate) arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetMaxReceiveMessageSize(
      static_cast<int>(std::min<int64_t>(options.max_message_bytes, std::numeric_limits<int>::max())));
  arguments.SetMaxSendMessageSize(-1);
  // A proxy of the environment is not asked for the way to this host.
  if (IsThisHost(options.address)) arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  if (!options.tls.server_name.empty()) arguments.SetSslTargetNameOverride(options.tls.server_name);
  return grpc::CreateCustomChannel(options.address, credentials, arguments);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Connection>> Connection::Create(Options options) {
  FERRY_RETURN_IF_ERROR(CheckAddress(options.address));
  if (!options.token.empty()) {
    FERRY_RETURN_IF_ERROR(CheckTokenWay(options.address, options.tls.IsOn(), options.insecure_token));
  }
  FERRY_ASSIGN_OR_RETURN(std::shared_ptr<grpc::ChannelCredentials> credentials, MakeCredentials(options.tls));
  const auto channel = MakeChannel(options, credentials, false);
  return std::unique_ptr<Connection>(new Connection(std::move(options), std::move(credentials), channel));
}

Connection::Connection(Options options, std::shared_ptr<grpc::ChannelCredentials> credentials,
                       const std::shared_ptr<grpc::Channel>& channel)
    : options_(std::move(options)),
      credentials_(std::move(credentials)),
      inference_(v1::InferenceService::NewStub(channel)),
      admin_(v1::ModelAdminService::NewStub(channel)),
      health_(grpc::health::v1::Health::NewStub(channel)),
      open_inference_(inference::GRPCInferenceService::NewStub(channel)) {}

void Connection::Prepare(const Options& options, grpc::ClientContext* context) {
  if (options.timeout) context->set_deadline(std::chrono::system_clock::now() + *options.timeout);
  if (!options.token.empty()) context->AddMetadata("authorization", "Bearer " + options.token);
}

std::shared_ptr<grpc::Channel> Connection::NewChannel() const { return MakeChannel(options_, credentials_, true); }

std::string Connection::ServerVersion() {
  grpc::ClientContext context;
  Prepare(&context);
  inference::ServerMetadataResponse response;
  if (!open_inference_->ServerMetadata(&context, {}, &response).ok()) return "";
  return response.version();
}

absl::StatusOr<v1::ListModelsResponse> Connection::ListModels() {
  grpc::ClientContext context;
  Prepare(&context);
  v1::ListModelsResponse response;
  FERRY_RETURN_IF_ERROR(FromServer(inference_->ListModels(&context, {}, &response), options_.address));
  return response;
}

absl::StatusOr<v1::GetModelResponse> Connection::GetModel(const std::string& name, int64_t version) {
  grpc::ClientContext context;
  Prepare(&context);
  v1::GetModelRequest request;
  request.set_model_name(name);
  request.set_model_version(version);
  v1::GetModelResponse response;
  FERRY_RETURN_IF_ERROR(FromServer(inference_->GetModel(&context, request, &response), options_.address));
  return response;
}

namespace {

// What is still true when the caller has waited long enough.
grpc::Status GoesOn(const grpc::Status& status, const std::string& what) {
  if (status.error_code() != grpc::StatusCode::DEADLINE_EXCEEDED) return status;
  return {status.error_code(), status.error_message() + "; the server does not stop for that: " + what};
}

}  // namespace

absl::StatusOr<v1::LoadModelResponse> Connection::LoadModel(const std::string& name,
                                                            const std::vector<int64_t>& versions) {
  grpc::ClientContext context;
  Prepare(&context);
  v1::LoadModelRequest request;
  request.set_model_name(name);
  request.mutable_model_versions()->Add(versions.begin(), versions.end());
  v1::LoadModelResponse response;
  FERRY_RETURN_IF_ERROR(
      FromServer(GoesOn(admin_->LoadModel(&context, request, &response), "it goes on loading"), options_.address));
  return response;
}

absl::StatusOr<v1::UnloadModelResponse> Connection::UnloadModel(const std::string& name, int64_t version) {
  grpc::ClientContext context;
  Prepare(&context);
  v1::UnloadModelRequest request;
  request.set_model_name(name);
  request.set_model_version(version);
  v1::UnloadModelResponse response;
  FERRY_RETURN_IF_ERROR(FromServer(
      GoesOn(admin_->UnloadModel(&context, request, &response), "it is unloaded, and ends with its last request"),
      options_.address));
  return response;
}

absl::StatusOr<v1::PredictResponse> Connection::Predict(const v1::PredictRequest& request) {
  grpc::ClientContext context;
  Prepare(&context);
  v1::PredictResponse response;
  FERRY_RETURN_IF_ERROR(FromServer(inference_->Predict(&context, request, &response), options_.address));
  return response;
}

absl::Status Connection::PredictStream(const std::function<bool(v1::PredictRequest*)>& next,
                                       const std::function<absl::Status(v1::PredictStreamResponse)>& on_answer) {
  grpc::ClientContext context;
  Prepare(&context);
  const auto stream = inference_->PredictStream(&context);
  // gRPC's flow control holds the writer back when the server does not keep up.
  std::thread writer([&] {
    v1::PredictRequest request;
    while (next(&request) && stream->Write(request)) request.Clear();
    stream->WritesDone();
  });
  absl::Status handled;
  v1::PredictStreamResponse response;
  while (handled.ok() && stream->Read(&response)) handled = on_answer(std::exchange(response, {}));
  if (!handled.ok()) context.TryCancel();
  writer.join();
  const grpc::Status finished = stream->Finish();
  return handled.ok() ? FromServer(finished, options_.address) : handled;
}

absl::StatusOr<ServingStatus> Connection::CheckHealth(const std::string& service) {
  grpc::ClientContext context;
  Prepare(&context);
  grpc::health::v1::HealthCheckRequest request;
  request.set_service(service);
  grpc::health::v1::HealthCheckResponse response;
  FERRY_RETURN_IF_ERROR(FromServer(health_->Check(&context, request, &response), options_.address));
  return response.status();
}

absl::Status Connection::WatchHealth(const std::string& service, const std::function<void(ServingStatus)>& on_change) {
  grpc::ClientContext context;
  Prepare(&context);
  grpc::health::v1::HealthCheckRequest request;
  request.set_service(service);
  const auto reader = health_->Watch(&context, request);
  grpc::health::v1::HealthCheckResponse response;
  while (reader->Read(&response)) on_change(response.status());
  return FromServer(reader->Finish(), options_.address);
}

}  // namespace torchferry::client
