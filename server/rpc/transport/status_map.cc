#include "server/rpc/transport/status_map.h"

#include <string>

#include "server/base/logging.h"
#include "server/base/status.h"

namespace torchferry::rpc {
namespace {

// The message travels in HTTP/2 headers, which have a size limit (8 KiB by default); a longer one would fail the call.
constexpr size_t kMaxMessageBytes = 3000;

std::string Cut(const absl::Status& status) {
  std::string message = base::MessageOf(status);
  if (message.size() <= kMaxMessageBytes) return message;
  base::LogDebug("message cut short for its client", {{"code", base::CodeName(status.code())}, {"error", message}});
  // INTERNAL is in the log at any level: predict/request_log.h.
  const bool is_internal = status.code() == absl::StatusCode::kInternal;
  return message.substr(0, kMaxMessageBytes) + " … (the whole message is in the server's log" +
         (is_internal ? ")" : " at --log-level debug)");
}

}  // namespace

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  return {static_cast<grpc::StatusCode>(status.code()), Cut(status)};
}

}  // namespace torchferry::rpc
