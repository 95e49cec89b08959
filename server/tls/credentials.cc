#include "server/tls/credentials.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <utility>

#include "server/base/status.h"
#include "server/tls/authorities.h"
#include "server/tls/chain.h"

namespace torchferry::tls {
namespace {

// What this host's OpenSSL demands of keys and signatures, as a listener would hear of it.
absl::Status CheckStrength(const Texts& texts, const Certificates& chain, EVP_PKEY& key) {
  ERR_clear_error();
  const SslContextPtr context(SSL_CTX_new(TLS_server_method()));
  if (context == nullptr)
    return base::MakeStatus(absl::StatusCode::kInternal, "OpenSSL gives no context: {}", TakeError());
  bool is_taken = SSL_CTX_use_certificate(context.get(), chain.front().get()) == 1;
  for (size_t i = 1; is_taken && i < chain.size(); ++i) {
    is_taken = SSL_CTX_add1_chain_cert(context.get(), chain[i].get()) == 1;
  }
  if (!is_taken) {
    return base::MakeStatus(kInvalid,
                            "{}: this host's OpenSSL refuses the certificate ({}, security level {}); make one with "
                            "a longer key, RSA 2048 or EC P-256, and SHA-256",
                            texts.certificate.name, TakeError(), SSL_CTX_get_security_level(context.get()));
  }
  if (SSL_CTX_use_PrivateKey(context.get(), &key) == 1 && SSL_CTX_check_private_key(context.get()) == 1) {
    return absl::OkStatus();
  }
  return base::MakeStatus(kInvalid, "{}: this host's OpenSSL refuses the key ({})", texts.key.name, TakeError());
}

absl::Status CheckUse(const Texts& texts, X509& certificate) {
  if (X509_check_purpose(&certificate, X509_PURPOSE_SSL_SERVER, 0) == 1) return absl::OkStatus();
  return base::MakeStatus(
      kInvalid,
      "{}: the certificate ({}) is not one of a server: its key usage says otherwise; make one with "
      "extendedKeyUsage serverAuth",
      texts.certificate.name, SubjectOf(certificate));
}

}  // namespace

absl::StatusOr<Credentials> CheckCredentials(const Texts& texts, Date now) {
  FERRY_ASSIGN_OR_RETURN(const Certificates chain, ReadCertificates(texts.certificate, kMaxInChain));
  FERRY_ASSIGN_OR_RETURN(const KeyPtr key, ReadPrivateKey(texts.key));
  FERRY_RETURN_IF_ERROR(CheckKey(texts.certificate, texts.key, chain, *key));
  FERRY_RETURN_IF_ERROR(CheckOrder(texts.certificate.name, chain));
  Credentials made;
  FERRY_ASSIGN_OR_RETURN(made.validity, CheckChainDates(texts.certificate.name, chain, now));
  FERRY_RETURN_IF_ERROR(CheckUse(texts, *chain.front()));
  FERRY_RETURN_IF_ERROR(CheckStrength(texts, chain, *key));
  if (!HasAlternativeName(*chain.front())) {
    made.warnings.push_back(fmt::format(
        "{}: the certificate has no subjectAltName: clients of today take a name from nowhere else and refuse it",
        texts.certificate.name));
  }
  if (!texts.client_ca.name.empty()) {
    FERRY_ASSIGN_OR_RETURN(made.client_ca, CheckAuthorities(texts.client_ca, now, made.warnings));
  }
  made.chain = ToPem(chain);
  made.key = ToPem(*key);
  made.subject = SubjectOf(*chain.front());
  return made;
}

}  // namespace torchferry::tls
