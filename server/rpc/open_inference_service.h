// inference.GRPCInferenceService, the Open Inference Protocol, over the callback API. No handler blocks.
#pragma once

#include <functional>
#include <string>

#include "inference/grpc_service.grpc.pb.h"
#include "server/registry/registry.h"
#include "server/rpc/admin_calls.h"
#include "server/rpc/predictor.h"

namespace torchferry {

class OpenInferenceService final : public inference::GRPCInferenceService::CallbackService {
 public:
  struct Options {
    std::string server_version;
    bool admin = false;              // whether it loads and unloads
    AdminCalls* admin_calls = nullptr;  // which outlive it
    std::function<bool()> is_ready;  // thread-safe and cheap
  };

  OpenInferenceService(Options options, Registry& registry, Predictor& predictor, const Clock& clock)
      : options_(std::move(options)), registry_(registry), predictor_(predictor), clock_(clock) {}

  using Context = grpc::CallbackServerContext*;
  using Reactor = grpc::ServerUnaryReactor*;

  Reactor ServerLive(Context context, const inference::ServerLiveRequest*, inference::ServerLiveResponse* response) override;
  Reactor ServerReady(Context context, const inference::ServerReadyRequest*, inference::ServerReadyResponse* response) override;
  Reactor ModelReady(Context context, const inference::ModelReadyRequest* request, inference::ModelReadyResponse* response) override;
  Reactor ServerMetadata(Context context, const inference::ServerMetadataRequest*,
                         inference::ServerMetadataResponse* response) override;
  Reactor ModelMetadata(Context context, const inference::ModelMetadataRequest* request,
                        inference::ModelMetadataResponse* response) override;
  Reactor ModelInfer(Context context, const inference::ModelInferRequest* request, inference::ModelInferResponse* response) override;
  grpc::ServerBidiReactor<inference::ModelInferRequest, inference::ModelStreamInferResponse>* ModelStreamInfer(
      Context context) override;
  Reactor ModelConfig(Context context, const inference::ModelConfigRequest* request,
                      inference::ModelConfigResponse* response) override;
  Reactor ModelStatistics(Context context, const inference::ModelStatisticsRequest* request,
                          inference::ModelStatisticsResponse* response) override;
  Reactor RepositoryIndex(Context context, const inference::RepositoryIndexRequest* request,
                          inference::RepositoryIndexResponse* response) override;
  Reactor RepositoryModelLoad(Context context, const inference::RepositoryModelLoadRequest* request,
                              inference::RepositoryModelLoadResponse*) override;
  Reactor RepositoryModelUnload(Context context, const inference::RepositoryModelUnloadRequest* request,
                                inference::RepositoryModelUnloadResponse*) override;

  Reactor SystemSharedMemoryStatus(Context context, const inference::SystemSharedMemoryStatusRequest*,
                                   inference::SystemSharedMemoryStatusResponse*) override;
  Reactor SystemSharedMemoryRegister(Context context, const inference::SystemSharedMemoryRegisterRequest*,
                                     inference::SystemSharedMemoryRegisterResponse*) override;
  Reactor SystemSharedMemoryUnregister(Context context, const inference::SystemSharedMemoryUnregisterRequest*,
                                       inference::SystemSharedMemoryUnregisterResponse*) override;
  Reactor CudaSharedMemoryStatus(Context context, const inference::CudaSharedMemoryStatusRequest*,
                                 inference::CudaSharedMemoryStatusResponse*) override;
  Reactor CudaSharedMemoryRegister(Context context, const inference::CudaSharedMemoryRegisterRequest*,
                                   inference::CudaSharedMemoryRegisterResponse*) override;
  Reactor CudaSharedMemoryUnregister(Context context, const inference::CudaSharedMemoryUnregisterRequest*,
                                     inference::CudaSharedMemoryUnregisterResponse*) override;
  Reactor TraceSetting(Context context, const inference::TraceSettingRequest*, inference::TraceSettingResponse*) override;
  Reactor LogSettings(Context context, const inference::LogSettingsRequest*, inference::LogSettingsResponse*) override;

 private:
  absl::Status CheckAdmin(const std::string& repository, const std::string& model) const;
  absl::StatusOr<VersionStatus> Ready(const std::string& model, const std::string& version) const;

  const Options options_;
  Registry& registry_;
  Predictor& predictor_;
  const Clock& clock_;
};

}  // namespace torchferry
