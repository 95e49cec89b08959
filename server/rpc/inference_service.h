// torchferry.v1.InferenceService over the asynchronous API: check, decode, call, encode. No handler blocks.
#pragma once

#include "server/registry/registry.h"
#include "server/rpc/predictor.h"
#include "server/rpc/serve.h"
#include "torchferry/v1/inference.grpc.pb.h"

namespace torchferry {

class InferenceServiceImpl final : public RpcService {
 public:
  InferenceServiceImpl(const Registry& registry, Predictor& predictor, const Clock& clock)
      : registry_(registry), predictor_(predictor), clock_(clock) {}

  grpc::Service& service() override { return service_; }
  void Serve(CallLoop& loop) override;

 private:
  absl::Status ListModels(v1::ListModelsResponse& response) const;
  absl::Status GetModel(const v1::GetModelRequest& request, v1::GetModelResponse& response) const;

  const Registry& registry_;
  Predictor& predictor_;
  const Clock& clock_;
  v1::InferenceService::AsyncService service_;
};

}  // namespace torchferry
