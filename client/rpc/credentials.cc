#include "client/rpc/credentials.h"

#include <chrono>

#include "server/base/status.h"

namespace torchferry::client {

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> MakeCredentials(const TlsOptions& options) {
  if (!options.IsOn()) return grpc::InsecureChannelCredentials();
  const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  FERRY_ASSIGN_OR_RETURN(const tls::ClientCredentials read, tls::ReadClientCredentials(options.files, now));
  grpc::SslCredentialsOptions made;
  made.pem_root_certs = read.ca;
  made.pem_cert_chain = read.chain;
  made.pem_private_key = read.key;
  return grpc::SslCredentials(made);
}

}  // namespace torchferry::client
