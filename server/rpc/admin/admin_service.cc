#include "server/rpc/admin/admin_service.h"

#include <algorithm>
#include <span>
#include <string>
#include <utility>

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

// A client may name many.
std::span<const int64_t> FirstOf(const google::protobuf::RepeatedField<int64_t>& versions) {
  constexpr int kMaxLogged = 16;
  return {versions.data(), static_cast<size_t>(std::min(versions.size(), kMaxLogged))};
}

}  // namespace

absl::Status AdminService::Check(const std::string& model) const {
  FERRY_RETURN_IF_ERROR(CheckAdminIsHere(is_on_));
  return CheckModelName(model);
}

void AdminService::Serve(CallLoop& loop) {
  using Service = v1::ModelAdminService::AsyncService;
  RegisterAsyncUnary(loop, service_, &Service::RequestLoadModel, [this](auto& call) { LoadModel(call); });
  RegisterAsyncUnary(loop, service_, &Service::RequestUnloadModel, [this](auto& call) { UnloadModel(call); });
}

void AdminService::LoadModel(UnaryCall<v1::LoadModelRequest, v1::LoadModelResponse>& call) {
  const v1::LoadModelRequest& request = call.request();
  absl::Status status = Check(request.model_name());
  if (status.ok())
    status = CheckVersionsToLoad({request.model_versions().data(), static_cast<size_t>(request.model_versions_size())});
  calls_.Run(
      call, {"LoadModel", request.model_name(), fmt::format("{}", fmt::join(FirstOf(request.model_versions()), ","))},
      std::move(status),
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
  const std::string version = request.model_version() == 0 ? "" : std::to_string(request.model_version());
  calls_.Run(
      call, {"UnloadModel", request.model_name(), version}, std::move(status),
      [&](registry::Registry::Done done) {
        registry_.Unload(request.model_name(), request.model_version(), std::move(done));
      },
      [this, &call] { EncodeVersions(registry_, call); });
}

}  // namespace torchferry::rpc
