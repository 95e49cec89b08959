#include "server/rpc/inference_service.h"

#include "server/base/status.h"
#include "server/rpc/codec.h"
#include "server/rpc/predict_reactors.h"

namespace torchferry {
namespace {

struct Api {
  using RequestMessage = v1::PredictRequest;
  using ResponseMessage = v1::PredictResponse;
  using StreamMessage = v1::PredictStreamResponse;

  static absl::StatusOr<Request> Decode(const v1::PredictRequest& message, TimePoint) { return DecodeRequest(message); }

  static absl::Status Encode(const Answer& answer, const v1::PredictRequest& request, v1::PredictResponse& response) {
    return EncodeAnswer(answer, request.request_id(), response);
  }

  static void EncodeForStream(const absl::StatusOr<Answer>& answer, const v1::PredictRequest& request,
                              v1::PredictStreamResponse& response) {
    response.set_request_id(request.request_id());
    const absl::Status status = answer.ok() ? Encode(*answer, request, *response.mutable_response()) : answer.status();
    if (status.ok()) return;
    response.clear_response();
    response.set_error_code(static_cast<int>(status.code()));
    response.set_error_message(MessageOf(status));
  }
};

}  // namespace

grpc::ServerUnaryReactor* InferenceServiceImpl::Predict(grpc::CallbackServerContext* context, const v1::PredictRequest* request,
                                                        v1::PredictResponse* response) {
  auto* reactor = new PredictReactor<Api>(*context, clock_);
  reactor->Start(predictor_, *request, *response);
  return reactor;
}

grpc::ServerBidiReactor<v1::PredictRequest, v1::PredictStreamResponse>* InferenceServiceImpl::PredictStream(
    grpc::CallbackServerContext* context) {
  return new StreamReactor<Api>(predictor_, *context, clock_);
}

grpc::ServerUnaryReactor* InferenceServiceImpl::ListModels(grpc::CallbackServerContext* context, const v1::ListModelsRequest*,
                                                           v1::ListModelsResponse* response) {
  for (const VersionStatus& status : registry_.List()) EncodeVersion(status, *response->add_versions());
  return FinishNow(context);
}

grpc::ServerUnaryReactor* InferenceServiceImpl::GetModel(grpc::CallbackServerContext* context, const v1::GetModelRequest* request,
                                                         v1::GetModelResponse* response) {
  if (request->model_name().empty()) {
    return FinishNow(context, absl::InvalidArgumentError("model_name is empty; name the model to describe"));
  }
  for (const VersionStatus& status : registry_.List(request->model_name())) {
    const bool is_wanted = request->model_version() == 0 || request->model_version() == status.version;
    if (is_wanted) EncodeVersion(status, *response->add_versions());
  }
  // Find knows how to say which models and versions there are.
  const bool found = response->versions_size() > 0;
  return FinishNow(context, found ? absl::OkStatus() : registry_.Find(request->model_name(), request->model_version()).status());
}

}  // namespace torchferry
