// TLS for a gRPC listener whose certificate changes while it runs.
#pragma once

#include <grpcpp/security/server_credentials.h>

#include <memory>

#include "server/tls/credentials_watch.h"

namespace torchferry::rpc {

// A listener's demand on clients, and the source of its certificate.
struct TlsOptions {
  const tls::CredentialsSource* source = nullptr;  // null: plain text; outlives the server
  tls::ClientAuth client_auth = tls::ClientAuth::kNone;
};

// TLS 1.2 and 1.3. gRPC asks for the certificate before each handshake, so a connection keeps the certificate of its
// beginning. Nothing lies on a disk beside the operator's files. The result is for one listener, whose connections come
// on one thread. gRPC 1.51 does not guard its copy of the last certificate against other threads
// (docs/adr/0032-tls.md).
std::shared_ptr<grpc::ServerCredentials> MakeServerCredentials(const TlsOptions& options);

}  // namespace torchferry::rpc
