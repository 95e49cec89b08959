#include "server/rpc/torchferry_v1/inference_service.h"

#include <utility>

#include "server/base/status.h"
#include "server/rpc/predict/predict_calls.h"
#include "server/rpc/predict/predict_stream.h"
#include "server/rpc/predict/request_builder.h"
#include "server/rpc/predict/visible_models.h"
#include "server/rpc/torchferry_v1/codec.h"

namespace torchferry::rpc {
namespace {

struct Api {
  using RequestMessage = v1::PredictRequest;
  using ResponseMessage = v1::PredictResponse;
  using StreamMessage = v1::PredictStreamResponse;
  static constexpr std::string_view kMethod = "Predict";
  static constexpr std::string_view kStreamMethod = "PredictStream";

  static const std::string& RequestId(const v1::PredictRequest& message) { return message.request_id(); }

  static absl::StatusOr<Request> Decode(const v1::PredictRequest& message, base::TimePoint) {
    return DecodeRequest(message);
  }

  static absl::Status Encode(const Answer& answer, const v1::PredictRequest& request, OutgoingMessage& response) {
    return EncodeAnswer(answer, request.request_id(), response);
  }

  static absl::Status EncodeForStream(const Answer& answer, const v1::PredictRequest& request,
                                      OutgoingMessage& message) {
    absl::Status status;
    message.AddString(v1::PredictStreamResponse::kRequestIdFieldNumber, request.request_id());
    message.AddMessage(v1::PredictStreamResponse::kResponseFieldNumber,
                       [&] { status = Encode(answer, request, message); });
    return status;
  }

  static void EncodeErrorForStream(const absl::Status& status, const v1::PredictRequest& request,
                                   OutgoingMessage& message) {
    v1::PredictStreamResponse response;
    response.set_request_id(IdToRepeat(request.request_id()));
    response.set_error_code(static_cast<int>(status.code()));
    response.set_error_message(MessageForField(status));
    message.Add(response);
  }
};

}  // namespace

void InferenceServiceImpl::Serve(CallLoop& loop) {
  using Service = v1::InferenceService::AsyncService;
  RegisterAsyncUnary(
      loop, service_, &Service::RequestPredict, [this](auto& call) { StartPredict<Api>(predictor_, clock_, call); },
      kPredictsAtOnce);
  RegisterBidi(loop, service_, &Service::RequestPredictStream,
               [this](auto& call) { return std::make_unique<PredictStreamHandler<Api>>(predictor_, clock_, call); });
  RegisterUnary(loop, service_, &Service::RequestListModels,
                [this](const auto& caller, const auto&, auto& response) { return ListModels(caller, response); });
  RegisterUnary(
      loop, service_, &Service::RequestGetModel,
      [this](const auto& caller, const auto& request, auto& response) { return GetModel(caller, request, response); });
}

absl::Status InferenceServiceImpl::ListModels(const identity::Caller& caller, v1::ListModelsResponse& response) const {
  for (const registry::VersionStatus& status : ListFor(caller, registry_))
    EncodeVersion(status, *response.add_versions());
  return absl::OkStatus();
}

absl::Status InferenceServiceImpl::GetModel(const identity::Caller& caller, const v1::GetModelRequest& request,
                                            v1::GetModelResponse& response) const {
  if (request.model_name().empty())
    return absl::InvalidArgumentError("model_name is empty; name the model to describe");
  FERRY_RETURN_IF_ERROR(CheckNameLength("model_name", request.model_name()));
  FERRY_RETURN_IF_ERROR(caller.CheckModel(request.model_name()));
  for (const registry::VersionStatus& status : registry_.List(request.model_name())) {
    const bool is_wanted = request.model_version() == 0 || request.model_version() == status.version;
    if (is_wanted) EncodeVersion(status, *response.add_versions());
  }
  if (response.versions_size() > 0) return absl::OkStatus();
  // Find knows how to say which models and versions there are.
  return FindFor(caller, registry_, request.model_name(), request.model_version()).status();
}

}  // namespace torchferry::rpc
