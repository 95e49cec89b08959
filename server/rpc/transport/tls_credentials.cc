#include "server/rpc/transport/tls_credentials.h"

#include <grpc/grpc_security.h>
#include <grpcpp/impl/grpc_library.h>

#include <string>

namespace torchferry::rpc {
namespace {

grpc_ssl_client_certificate_request_type RequestOf(tls::ClientAuth auth) {
  switch (auth) {
    case tls::ClientAuth::kNone:
      return GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE;
    case tls::ClientAuth::kRequest:
      return GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY;
    case tls::ClientAuth::kRequire:
      break;
  }
  return GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY;
}

class TlsCredentials final : public grpc::ServerCredentials {
 public:
  explicit TlsCredentials(const TlsOptions& options) : source_(*options.source) {
    credentials_ = grpc_ssl_server_credentials_create_with_options(
        grpc_ssl_server_credentials_create_options_using_config_fetcher(RequestOf(options.client_auth), &Fetch, this));
  }
  ~TlsCredentials() override { grpc_server_credentials_release(credentials_); }

  // Who may do what is decided by the calls (call.h).
  void SetAuthMetadataProcessor(const std::shared_ptr<grpc::AuthMetadataProcessor>& /*processor*/) override {}

 private:
  int AddPortToServer(const std::string& address, grpc_server* server) override {
    return grpc_server_add_http2_port(server, address.c_str(), credentials_);
  }

  static grpc_ssl_certificate_config_reload_status Fetch(void* self, grpc_ssl_server_certificate_config** config) {
    return static_cast<TlsCredentials*>(self)->Give(config);
  }

  // At the start, and before each handshake.
  grpc_ssl_certificate_config_reload_status Give(grpc_ssl_server_certificate_config** config) {
    const std::shared_ptr<const tls::Credentials> current = source_.Current();
    if (current == given_) return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
    const grpc_ssl_pem_key_cert_pair pair = {.private_key = current->key.c_str(), .cert_chain = current->chain.c_str()};
    // gRPC asserts that there are authorities. Where no client is asked for a certificate it uses them for nothing.
    const std::string& authorities = current->client_ca.empty() ? current->chain : current->client_ca;
    *config = grpc_ssl_server_certificate_config_create(authorities.c_str(), &pair, 1);
    given_ = current;
    return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
  }

  const tls::CredentialsSource& source_;
  grpc_server_credentials* credentials_ = nullptr;
  std::shared_ptr<const tls::Credentials> given_;
};

}  // namespace

std::shared_ptr<grpc::ServerCredentials> MakeServerCredentials(const TlsOptions& options) {
  if (options.source == nullptr) return grpc::InsecureServerCredentials();
  return std::make_shared<TlsCredentials>(options);
}

}  // namespace torchferry::rpc
