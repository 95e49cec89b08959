#include "server/rpc/admin_service.h"

#include "server/base/status.h"
#include "server/rpc/codec.h"
#include "server/rpc/predict_reactors.h"

namespace torchferry {

absl::Status AdminService::Check(const std::string& model) const {
  TF_RETURN_IF_ERROR(CheckAdminIsHere(is_on_));
  return CheckModelName(model);
}

grpc::ServerUnaryReactor* AdminService::LoadModel(grpc::CallbackServerContext* context, const v1::LoadModelRequest* request,
                                                  v1::LoadModelResponse* response) {
  absl::Status status = Check(request->model_name());
  for (const int64_t version : request->model_versions()) {
    if (status.ok() && version < 1) {
      status = MakeStatus(absl::StatusCode::kInvalidArgument, "model_versions has {}; a version is a positive integer", version);
    }
  }
  if (!status.ok()) return FinishNow(context, status);
  return calls_.Run(
      [&](Registry::Done done) {
        registry_.Load(request->model_name(), {request->model_versions().begin(), request->model_versions().end()}, std::move(done));
      },
      [this, request, response] {
        for (const VersionStatus& version : registry_.List(request->model_name())) EncodeVersion(version, *response->add_versions());
      });
}

grpc::ServerUnaryReactor* AdminService::UnloadModel(grpc::CallbackServerContext* context, const v1::UnloadModelRequest* request,
                                                    v1::UnloadModelResponse* response) {
  absl::Status status = Check(request->model_name());
  if (status.ok() && request->model_version() < 0) {
    status = MakeStatus(absl::StatusCode::kInvalidArgument, "model_version is {}; expected a positive integer, or 0 for all",
                        request->model_version());
  }
  if (!status.ok()) return FinishNow(context, status);
  return calls_.Run(
      [&](Registry::Done done) { registry_.Unload(request->model_name(), request->model_version(), std::move(done)); },
      [this, request, response] {
        for (const VersionStatus& version : registry_.List(request->model_name())) EncodeVersion(version, *response->add_versions());
      });
}

}  // namespace torchferry
