// torchferry.v1.ModelAdminService over the callback API. No handler blocks.
#pragma once

#include "server/registry/registry.h"
#include "torchferry/v1/admin.grpc.pb.h"

namespace torchferry {

class AdminService final : public v1::ModelAdminService::CallbackService {
 public:
  explicit AdminService(Registry& registry) : registry_(registry) {}

  grpc::ServerUnaryReactor* LoadModel(grpc::CallbackServerContext* context, const v1::LoadModelRequest* request,
                                      v1::LoadModelResponse* response) override;
  grpc::ServerUnaryReactor* UnloadModel(grpc::CallbackServerContext* context, const v1::UnloadModelRequest* request,
                                        v1::UnloadModelResponse* response) override;

 private:
  Registry& registry_;
};

}  // namespace torchferry
