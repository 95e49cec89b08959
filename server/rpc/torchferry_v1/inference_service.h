// torchferry.v1.InferenceService over the asynchronous API: check, decode, call, encode. No handler blocks.
#pragma once

#include "server/registry/registry.h"
#include "server/rpc/predict/predictor.h"
#include "server/rpc/transport/rpc_method.h"
#include "torchferry/v1/inference.grpc.pb.h"

namespace torchferry::rpc {

class InferenceServiceImpl final : public RpcService {
 public:
  InferenceServiceImpl(const registry::Registry& registry, Predictor& predictor, const base::Clock& clock)
      : registry_(registry), predictor_(predictor), clock_(clock) {}

  grpc::Service& service() override { return service_; }
  void Serve(CallLoop& loop) override;

 private:
  absl::Status ListModels(const identity::Caller& caller, v1::ListModelsResponse& response) const;
  absl::Status GetModel(const identity::Caller& caller, const v1::GetModelRequest& request,
                        v1::GetModelResponse& response) const;

  const registry::Registry& registry_;
  Predictor& predictor_;
  const base::Clock& clock_;
  RawService<v1::InferenceService> service_;
};

}  // namespace torchferry::rpc
