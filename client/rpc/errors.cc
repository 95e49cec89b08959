#include "client/rpc/errors.h"

#include <absl/strings/cord.h>

#include <algorithm>
#include <cctype>
#include <string_view>
#include <utility>

#include "server/base/status.h"

namespace torchferry::client {
namespace {

constexpr char kFromServer[] = "torchferry/from-server";

bool Contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

// What gRPC says of handshakes, in small letters, and what to do about it.
std::string ExplainHandshake(const std::string& message, const std::string& address) {
  if (Contains(message, "certificate verify failed")) {
    return fmt::format(
        "the certificate of {} is of no authority that is trusted here, or has expired: pass the authority's file to "
        "--tls-ca",
        address);
  }
  if (Contains(message, "is not in peer certificate") || Contains(message, "hostname verification")) {
    return fmt::format(
        "the certificate of {} is not of that host: pass the name that it has to --tls-server-name, or ask for a "
        "certificate with this one",
        address);
  }
  if (Contains(message, "wrong version number")) {
    return fmt::format("{} speaks no TLS: leave the --tls flags out, or pass another --address", address);
  }
  if (Contains(message, "handshake failed") || Contains(message, "certificate required")) {
    return fmt::format("TLS with {} fails: does the server ask for a certificate (--tls-client-cert)?", address);
  }
  return "";
}

std::string Lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

// gRPC says that nobody answered in words only.
std::string ExplainUnavailable(const std::string& message, const std::string& address) {
  if (Contains(message, "http1.x server")) {
    return fmt::format(
        "{} speaks HTTP/1, not gRPC: pass the gRPC port to --address (8001 unless "
        "set otherwise; 8002 is for metrics)",
        address);
  }
  if (Contains(message, "DNS resolution failed")) {
    return fmt::format("cannot find the host of {}: check --address", address);
  }
  if (const std::string why = ExplainHandshake(Lower(message), address); !why.empty()) {
    return fmt::format("{} ({})", why, message);
  }
  // Also at the first attempt: a port that takes TLS alone closes it.
  if (Contains(message, "Socket closed") || Contains(message, "Connection reset")) {
    return fmt::format(
        "the server at {} closed the connection ({}). It is stopping, this is not its gRPC port, or it takes only TLS "
        "(--tls) or another certificate (--tls-client-cert)",
        address, message);
  }
  if (Contains(message, "failed to connect") || Contains(message, "Connection refused")) {
    return fmt::format("no server answers at {}: start torchferry-server or pass --address ({})", address, message);
  }
  return message;
}

std::string Explain(const grpc::Status& status, const std::string& address) {
  const std::string& message = status.error_message();
  switch (status.error_code()) {
    case grpc::StatusCode::UNAVAILABLE:
      return ExplainUnavailable(message, address);
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return fmt::format("no answer from {} in time: raise --timeout ({})", address, message);
    case grpc::StatusCode::UNIMPLEMENTED:
      return fmt::format(
          "the server at {} does not know this call; is it torchferry-server, and "
          "of this version? ({})",
          address, message);
    case grpc::StatusCode::UNAUTHENTICATED:
      return fmt::format("the server at {} does not know who calls: give --token-file or --token ({})", address,
                         message);
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      if (Contains(message, "Received message larger than max")) {
        return fmt::format(
            "the answer, or the request, is over a message limit ({}): raise the "
            "client's --max-message-mib or the server's limit",
            message);
      }
      return message;
    default:
      return message;
  }
}

}  // namespace

absl::Status FromServer(const grpc::Status& status, const std::string& address) {
  if (status.ok()) return absl::OkStatus();
  // The two code lists are the same numbers.
  return FromServer(absl::Status(static_cast<absl::StatusCode>(status.error_code()), Explain(status, address)));
}

absl::Status FromServer(absl::Status status) {
  status.SetPayload(kFromServer, absl::Cord());
  return status;
}

bool IsFromServer(const absl::Status& status) { return status.GetPayload(kFromServer).has_value(); }

}  // namespace torchferry::client
