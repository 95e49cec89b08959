#include "server/rpc/transport/status_map.h"

#include <string>

namespace torchferry::rpc {
namespace {

// The message travels in HTTP/2 headers, which have a size limit (8 KiB by default); a longer one would fail the call.
constexpr size_t kMaxMessageBytes = 3000;

}  // namespace

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  std::string message(status.message());
  if (message.size() > kMaxMessageBytes) {
    message.resize(kMaxMessageBytes);
    message += " … (the whole message is in the server's log)";
  }
  return {static_cast<grpc::StatusCode>(status.code()), message};
}

absl::Status FromGrpc(const grpc::Status& status) {
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

}  // namespace torchferry::rpc
