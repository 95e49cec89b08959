// torchferry.v1.InferenceService over the callback API: check, decode, call, encode. No handler blocks.
#pragma once

#include "server/registry/registry.h"
#include "server/rpc/predictor.h"
#include "torchferry/v1/inference.grpc.pb.h"

namespace torchferry {

class InferenceServiceImpl final : public v1::InferenceService::CallbackService {
 public:
  InferenceServiceImpl(const Registry& registry, Predictor& predictor, const Clock& clock)
      : registry_(registry), predictor_(predictor), clock_(clock) {}

  grpc::ServerUnaryReactor* Predict(grpc::CallbackServerContext* context, const v1::PredictRequest* request,
                                    v1::PredictResponse* response) override;
  grpc::ServerBidiReactor<v1::PredictRequest, v1::PredictStreamResponse>* PredictStream(
      grpc::CallbackServerContext* context) override;
  grpc::ServerUnaryReactor* ListModels(grpc::CallbackServerContext* context, const v1::ListModelsRequest* request,
                                       v1::ListModelsResponse* response) override;
  grpc::ServerUnaryReactor* GetModel(grpc::CallbackServerContext* context, const v1::GetModelRequest* request,
                                     v1::GetModelResponse* response) override;

 private:
  const Registry& registry_;
  Predictor& predictor_;
  const Clock& clock_;
};

}  // namespace torchferry
