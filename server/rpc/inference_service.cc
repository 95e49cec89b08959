#include "server/rpc/inference_service.h"

#include <chrono>

#include "server/base/status.h"
#include "server/rpc/codec.h"
#include "server/rpc/status_map.h"
#include "server/rpc/stream_sessions.h"

namespace torchferry {
namespace {

using CancelFlag = std::shared_ptr<std::atomic<bool>>;

// gRPC's deadline is a time of the day; ours is of the monotonic clock.
TimePoint DeadlineOf(const grpc::CallbackServerContext& context, const Clock& clock) {
  const auto left = context.deadline() - std::chrono::system_clock::now();
  // "None" is a date far away, which would overflow.
  if (left > std::chrono::hours(24 * 365)) return kNoDeadline;
  return clock.Now() + std::chrono::duration_cast<Duration>(left);
}

absl::StatusOr<Request> Decode(const v1::PredictRequest& message, TimePoint deadline, CancelFlag cancelled) {
  TF_ASSIGN_OR_RETURN(Request request, DecodeRequest(message));
  request.deadline = deadline;
  request.is_cancelled = [cancelled = std::move(cancelled)] { return cancelled->load(std::memory_order_relaxed); };
  return request;
}

// Lives until OnDone. The request and the response are gRPC's and live as long.
class PredictReactor final : public grpc::ServerUnaryReactor {
 public:
  void Start(Predictor& predictor, const v1::PredictRequest& request, v1::PredictResponse& response, TimePoint deadline) {
    predictor.Predict(request.model_name(), request.model_version(),
                      Decode(request, deadline, cancelled_), /*stream=*/nullptr,
                      [this, &request, &response](absl::StatusOr<Answer> answer) {
                        Finish(ToGrpc(answer.ok() ? EncodeAnswer(*answer, request.request_id(), response) : answer.status()));
                      });
  }
  void OnCancel() override { cancelled_->store(true, std::memory_order_relaxed); }
  void OnDone() override { delete this; }

 private:
  const CancelFlag cancelled_ = std::make_shared<std::atomic<bool>>(false);
};

// Reads one request, answers it, reads the next: answers are in order, and a client cannot flood
// the queue. Its sessions end with it.
class StreamReactor final : public grpc::ServerBidiReactor<v1::PredictRequest, v1::PredictStreamResponse> {
 public:
  StreamReactor(Predictor& predictor, TimePoint deadline) : predictor_(predictor), deadline_(deadline) { StartRead(&request_); }

  void OnReadDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::OK);  // the client has said all it had to say, or is gone
    predictor_.Predict(request_.model_name(), request_.model_version(),
                       Decode(request_, deadline_, cancelled_), &sessions_,
                       [this](absl::StatusOr<Answer> answer) { Write(answer); });
  }
  void OnWriteDone(bool ok) override {
    if (!ok) return Finish(grpc::Status(grpc::StatusCode::CANCELLED, "the client went away"));
    StartRead(&request_);
  }
  void OnCancel() override { cancelled_->store(true, std::memory_order_relaxed); }
  void OnDone() override { delete this; }

 private:
  void Write(const absl::StatusOr<Answer>& answer) {
    response_.Clear();
    response_.set_request_id(request_.request_id());
    const absl::Status status =
        answer.ok() ? EncodeAnswer(*answer, request_.request_id(), *response_.mutable_response()) : answer.status();
    if (!status.ok()) {
      response_.clear_response();
      response_.set_error_code(static_cast<int>(status.code()));
      response_.set_error_message(MessageOf(status));
    }
    StartWrite(&response_);
  }

  Predictor& predictor_;
  const TimePoint deadline_;
  const CancelFlag cancelled_ = std::make_shared<std::atomic<bool>>(false);
  StreamSessions sessions_;
  v1::PredictRequest request_;
  v1::PredictStreamResponse response_;
};

}  // namespace

grpc::ServerUnaryReactor* InferenceServiceImpl::Predict(grpc::CallbackServerContext* context, const v1::PredictRequest* request,
                                                        v1::PredictResponse* response) {
  auto* reactor = new PredictReactor;
  reactor->Start(predictor_, *request, *response, DeadlineOf(*context, clock_));
  return reactor;
}

grpc::ServerBidiReactor<v1::PredictRequest, v1::PredictStreamResponse>* InferenceServiceImpl::PredictStream(
    grpc::CallbackServerContext* context) {
  return new StreamReactor(predictor_, DeadlineOf(*context, clock_));
}

grpc::ServerUnaryReactor* InferenceServiceImpl::ListModels(grpc::CallbackServerContext* context, const v1::ListModelsRequest*,
                                                           v1::ListModelsResponse* response) {
  for (const VersionStatus& status : registry_.List()) EncodeVersion(status, *response->add_versions());
  auto* reactor = context->DefaultReactor();
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

grpc::ServerUnaryReactor* InferenceServiceImpl::GetModel(grpc::CallbackServerContext* context, const v1::GetModelRequest* request,
                                                         v1::GetModelResponse* response) {
  auto* reactor = context->DefaultReactor();
  if (request->model_name().empty()) {
    reactor->Finish(ToGrpc(absl::InvalidArgumentError("model_name is empty; name the model to describe")));
    return reactor;
  }
  for (const VersionStatus& status : registry_.List(request->model_name())) {
    const bool is_wanted = request->model_version() == 0 || request->model_version() == status.version;
    if (is_wanted) EncodeVersion(status, *response->add_versions());
  }
  // Find knows how to say which models and versions there are.
  const bool found = response->versions_size() > 0;
  reactor->Finish(found ? grpc::Status::OK : ToGrpc(registry_.Find(request->model_name(), request->model_version()).status()));
  return reactor;
}

}  // namespace torchferry
