// torchferry.v1.ModelAdminService over the asynchronous API. No handler blocks.
#pragma once

#include "server/registry/registry.h"
#include "server/rpc/admin/admin_calls.h"
#include "server/rpc/transport/rpc_method.h"
#include "torchferry/v1/admin.grpc.pb.h"

namespace torchferry::rpc {

class AdminService final : public RpcService {
 public:
  // `is_on` false: every call gets FAILED_PRECONDITION.
  AdminService(registry::Registry& registry, AdminCalls& calls, bool is_on)
      : registry_(registry), calls_(calls), is_on_(is_on) {}

  grpc::Service& service() override { return service_; }
  void Serve(CallLoop& loop) override;

 private:
  void LoadModel(UnaryCall<v1::LoadModelRequest, v1::LoadModelResponse>& call);
  void UnloadModel(UnaryCall<v1::UnloadModelRequest, v1::UnloadModelResponse>& call);
  absl::Status Check(const std::string& model) const;

  registry::Registry& registry_;
  AdminCalls& calls_;
  const bool is_on_;
  RawService<v1::ModelAdminService> service_;
};

}  // namespace torchferry::rpc
