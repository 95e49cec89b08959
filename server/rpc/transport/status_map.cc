#include "server/rpc/transport/status_map.h"

#include <string>
#include <string_view>

#include "server/base/logging.h"
#include "server/base/status.h"
#include "server/base/utf8.h"
#include "server/tensor/request_limits.h"

namespace torchferry::rpc {
namespace {

// The longest beginning of `text`, which is UTF-8, that a header can hold.
std::string_view BeginningForHeader(std::string_view text) {
  size_t encoded = 0;
  size_t end = 0;
  while (end < text.size()) {
    const size_t length = base::Utf8Length(text, end);
    const char first = text[end];
    const bool is_plain = first >= ' ' && first <= '~' && first != '%';
    encoded += is_plain ? 1 : 3 * length;
    if (end + length > limits::kMaxStatusTextBytes || encoded > limits::kMaxEncodedStatusTextBytes) break;
    end += length;
  }
  return text.substr(0, end);
}

std::string MessageForHeader(const absl::Status& status) {
  std::string message = MessageForField(status);
  const std::string_view beginning = BeginningForHeader(message);
  if (beginning.size() == message.size() && status.message().size() <= message.size()) return message;
  base::LogDebug("message cut short for its client",
                 {{"code", base::CodeName(status.code())}, {"error", base::MessageOf(status)}});
  // INTERNAL is in the log at any level: predict/request_log.h.
  const bool is_internal = status.code() == absl::StatusCode::kInternal;
  return std::string(beginning) + " … (the whole message is in the server's log" +
         (is_internal ? ")" : " at --log-level debug)");
}

}  // namespace

std::string MessageForField(const absl::Status& status) {
  const absl::string_view message = status.message();
  return base::Excerpt({message.data(), message.size()}, limits::kMaxErrorTextBytes);
}

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  return {static_cast<grpc::StatusCode>(status.code()), MessageForHeader(status)};
}

}  // namespace torchferry::rpc
