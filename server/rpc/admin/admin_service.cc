#include "server/rpc/admin/admin_service.h"

#include "server/base/status.h"
#include "server/rpc/torchferry_v1/codec.h"
#include "server/rpc/transport/utf8_message.h"

namespace torchferry::rpc {
namespace {

// What there is of the model now.
template <typename Kind>
void EncodeVersions(const registry::Registry& registry, Kind& call) {
  for (const registry::VersionStatus& version : registry.List(call.request().model_name())) {
    EncodeVersion(version, *call.response().add_versions());
  }
  MakeUtf8(call.response());
}

}  // namespace

absl::Status AdminService::Check(const std::string& model) const {
  FERRY_RETURN_IF_ERROR(CheckAdminIsHere(is_on_));
  return CheckModelName(model);
}

void AdminService::Serve(CallLoop& loop) {
  using Service = v1::ModelAdminService::AsyncService;
  ServeLater(loop, service_, &Service::RequestLoadModel, [this](auto& call) { LoadModel(call); });
  ServeLater(loop, service_, &Service::RequestUnloadModel, [this](auto& call) { UnloadModel(call); });
}

void AdminService::LoadModel(UnaryCall<v1::LoadModelRequest, v1::LoadModelResponse>& call) {
  const v1::LoadModelRequest& request = call.request();
  absl::Status status = Check(request.model_name());
  if (status.ok())
    status = CheckVersionsToLoad({request.model_versions().data(), static_cast<size_t>(request.model_versions_size())});
  if (!status.ok()) return call.Finish(status);
  calls_.Run(
      call,
      [&](registry::Registry::Done done) {
        registry_.Load(request.model_name(), {request.model_versions().begin(), request.model_versions().end()},
                       std::move(done));
      },
      [this, &call] { EncodeVersions(registry_, call); });
}

void AdminService::UnloadModel(UnaryCall<v1::UnloadModelRequest, v1::UnloadModelResponse>& call) {
  const v1::UnloadModelRequest& request = call.request();
  absl::Status status = Check(request.model_name());
  if (status.ok() && request.model_version() < 0) {
    status =
        base::MakeStatus(absl::StatusCode::kInvalidArgument,
                         "model_version is {}; expected a positive integer, or 0 for all", request.model_version());
  }
  if (!status.ok()) return call.Finish(status);
  calls_.Run(
      call,
      [&](registry::Registry::Done done) {
        registry_.Unload(request.model_name(), request.model_version(), std::move(done));
      },
      [this, &call] { EncodeVersions(registry_, call); });
}

}  // namespace torchferry::rpc
