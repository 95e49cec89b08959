#include "server/tls/server_context.h"

#include <openssl/err.h>

#include "server/base/status.h"

namespace torchferry::tls {
namespace {

constexpr size_t kMax = 1000;
// Sessions are resumed within one context, which ends with its credentials.
constexpr unsigned char kSessions[] = "torchferry";

absl::Status Refused(const char* what) {
  return base::MakeStatus(absl::StatusCode::kInternal, "OpenSSL does not take the {}: {}", what, TakeError());
}

absl::Status AddChain(SSL_CTX& context, const Credentials& credentials) {
  FERRY_ASSIGN_OR_RETURN(const Certificates chain, ReadCertificates({"the chain", credentials.chain}, kMax));
  FERRY_ASSIGN_OR_RETURN(const KeyPtr key, ReadPrivateKey({"the key", credentials.key}));
  if (SSL_CTX_use_certificate(&context, chain.front().get()) != 1) return Refused("certificate");
  for (size_t i = 1; i < chain.size(); ++i) {
    if (SSL_CTX_add1_chain_cert(&context, chain[i].get()) != 1) return Refused("chain");
  }
  if (SSL_CTX_use_PrivateKey(&context, key.get()) != 1) return Refused("key");
  return absl::OkStatus();
}

absl::Status AddAuthorities(SSL_CTX& context, const Credentials& credentials) {
  FERRY_ASSIGN_OR_RETURN(const Certificates authorities,
                         ReadCertificates({"authorities", credentials.client_ca}, kMax));
  X509_STORE* const store = SSL_CTX_get_cert_store(&context);
  for (const CertificatePtr& authority : authorities) {
    const bool is_taken =
        X509_STORE_add_cert(store, authority.get()) == 1 && SSL_CTX_add_client_CA(&context, authority.get()) == 1;
    if (!is_taken) return Refused("authorities");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<SslContextPtr> MakeServerContext(const Credentials& credentials, ClientAuth auth) {
  ERR_clear_error();
  SslContextPtr context(SSL_CTX_new(TLS_server_method()));
  if (context == nullptr) return Refused("context");
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_session_id_context(context.get(), kSessions, sizeof(kSessions) - 1);
  FERRY_RETURN_IF_ERROR(AddChain(*context, credentials));
  if (auth == ClientAuth::kNone) return context;
  FERRY_RETURN_IF_ERROR(AddAuthorities(*context, credentials));
  const int fails = auth == ClientAuth::kRequire ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0;
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | fails, nullptr);
  return context;
}

}  // namespace torchferry::tls
