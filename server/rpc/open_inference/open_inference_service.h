// inference.GRPCInferenceService, the Open Inference Protocol, over the asynchronous API. No handler blocks.
#pragma once

#include <functional>
#include <string>

#include "inference/grpc_service.grpc.pb.h"
#include "server/registry/registry.h"
#include "server/rpc/admin/admin_calls.h"
#include "server/rpc/predict/predictor.h"
#include "server/rpc/transport/rpc_method.h"

namespace torchferry::rpc {

class OpenInferenceService final : public RpcService {
 public:
  struct Options {
    std::string server_version;
    bool admin = false;                 // whether it loads and unloads models
    AdminCalls* admin_calls = nullptr;  // outlive the service
    std::function<bool()> is_ready;     // thread-safe and cheap
  };

  OpenInferenceService(Options options, registry::Registry& registry, Predictor& predictor, const base::Clock& clock)
      : options_(std::move(options)), registry_(registry), predictor_(predictor), clock_(clock) {}

  grpc::Service& service() override { return service_; }
  void Serve(CallLoop& loop) override;

 private:
  void ServeModels(CallLoop& loop);
  void ServeRepository(CallLoop& loop);
  // Answers calls of extensions that this server does not have with UNIMPLEMENTED, and says what to do instead.
  void ServeUnsupported(CallLoop& loop);

  absl::Status ModelReady(const identity::Caller& caller, const inference::ModelReadyRequest& request,
                          inference::ModelReadyResponse& response) const;
  absl::Status ServerMetadata(inference::ServerMetadataResponse& response) const;
  absl::Status ModelMetadata(const identity::Caller& caller, const inference::ModelMetadataRequest& request,
                             inference::ModelMetadataResponse& response) const;
  absl::Status ModelConfig(const identity::Caller& caller, const inference::ModelConfigRequest& request,
                           inference::ModelConfigResponse& response) const;
  absl::Status ModelStatistics(const identity::Caller& caller, const inference::ModelStatisticsRequest& request,
                               inference::ModelStatisticsResponse& response) const;
  absl::Status RepositoryIndex(const identity::Caller& caller, const inference::RepositoryIndexRequest& request,
                               inference::RepositoryIndexResponse& response) const;
  void RepositoryModelLoad(
      UnaryCall<inference::RepositoryModelLoadRequest, inference::RepositoryModelLoadResponse>& call);
  void RepositoryModelUnload(
      UnaryCall<inference::RepositoryModelUnloadRequest, inference::RepositoryModelUnloadResponse>& call);

  absl::Status CheckAdmin(const std::string& repository, const std::string& model) const;
  absl::StatusOr<registry::VersionStatus> Ready(const identity::Caller& caller, const std::string& model,
                                                const std::string& version) const;

  const Options options_;
  registry::Registry& registry_;
  Predictor& predictor_;
  const base::Clock& clock_;
  RawService<inference::GRPCInferenceService> service_;
};

}  // namespace torchferry::rpc
