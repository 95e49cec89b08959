// The security of a connection: plain text or TLS.
#pragma once

#include <absl/status/statusor.h>
#include <grpcpp/security/credentials.h>

#include <memory>
#include <string>

#include "server/tls/client_credentials.h"

namespace torchferry::client {

struct TlsOptions {
  bool is_asked_for = false;  // each other field turns TLS on, too
  tls::ClientFiles files;     // without a CA: the authorities that this host trusts
  std::string server_name;    // the name in the server's certificate; empty: the address's host

  bool IsOn() const {
    return is_asked_for || !files.ca.empty() || !files.certificate.empty() || !files.key.empty() ||
           !server_name.empty();
  }
};

// Reads the files once. The errors are those of tls::ReadClientCredentials.
absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> MakeCredentials(const TlsOptions& options);

}  // namespace torchferry::client
