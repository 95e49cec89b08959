// torchferry.v1.ModelAdminService over the callback API. No handler blocks.
#pragma once

#include "server/registry/registry.h"
#include "server/rpc/admin_calls.h"
#include "torchferry/v1/admin.grpc.pb.h"

namespace torchferry {

class AdminService final : public v1::ModelAdminService::CallbackService {
 public:
  // `is_on`: otherwise every call is FAILED_PRECONDITION.
  AdminService(Registry& registry, AdminCalls& calls, bool is_on) : registry_(registry), calls_(calls), is_on_(is_on) {}

  grpc::ServerUnaryReactor* LoadModel(grpc::CallbackServerContext* context, const v1::LoadModelRequest* request,
                                      v1::LoadModelResponse* response) override;
  grpc::ServerUnaryReactor* UnloadModel(grpc::CallbackServerContext* context, const v1::UnloadModelRequest* request,
                                        v1::UnloadModelResponse* response) override;

 private:
  absl::Status Check(const std::string& model) const;

  Registry& registry_;
  AdminCalls& calls_;
  const bool is_on_;
};

}  // namespace torchferry
