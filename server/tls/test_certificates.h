// Certificates for the tests, made anew in each run: nothing in the repository expires.
#pragma once

#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/tls/openssl_handles.h"
#include "server/tls/validity.h"

namespace torchferry::tls {

// The fields of a test's certificate, beside its issuer.
struct Wanted {
  std::string name = "localhost";                          // its common name
  std::string alternative = "DNS:localhost,IP:127.0.0.1";  // as openssl.cnf writes it; empty: none
  std::string usage = "serverAuth";                        // extendedKeyUsage; empty: none
  bool is_authority = false;
  int rsa_bits = 0;  // 0: an EC key of P-256
  Date not_before = Date(std::chrono::hours(0));
  Date not_after = Date(std::chrono::years(100));
};

// A certificate and its key.
class TestCertificate {
 public:
  // Self-signed.
  explicit TestCertificate(const Wanted& wanted) : TestCertificate(wanted, nullptr) {}
  TestCertificate(const Wanted& wanted, const TestCertificate& issuer) : TestCertificate(wanted, &issuer) {}

  static TestCertificate Authority(const std::string& name = "Test CA") {
    Wanted wanted;
    wanted.name = name;
    wanted.alternative = "";
    wanted.usage = "";
    wanted.is_authority = true;
    return TestCertificate(wanted);
  }

  std::string pem() const {
    const BioPtr bio = WritingBio();
    PEM_write_bio_X509(bio.get(), certificate_.get());
    return TextOf(bio.get());
  }
  // Encrypted where there is a passphrase.
  std::string key_pem(const char* passphrase = nullptr) const {
    const BioPtr bio = WritingBio();
    PEM_write_bio_PKCS8PrivateKey(bio.get(), key_.get(), passphrase == nullptr ? nullptr : EVP_aes_128_cbc(), nullptr,
                                  0, nullptr, const_cast<char*>(passphrase));
    return TextOf(bio.get());
  }

 private:
  TestCertificate(const Wanted& wanted, const TestCertificate* issuer)
      : key_(wanted.rsa_bits == 0 ? EVP_EC_gen("P-256") : EVP_RSA_gen(static_cast<unsigned>(wanted.rsa_bits))),
        certificate_(X509_new()) {
    X509& made = *certificate_;
    X509& by = issuer == nullptr ? made : *issuer->certificate_;
    X509_set_version(&made, 2);
    static long serial = 0;  // NOLINT(google-runtime-int): OpenSSL's type
    ASN1_INTEGER_set(X509_get_serialNumber(&made), ++serial);
    ASN1_TIME_set(X509_getm_notBefore(&made), std::chrono::system_clock::to_time_t(wanted.not_before));
    ASN1_TIME_set(X509_getm_notAfter(&made), std::chrono::system_clock::to_time_t(wanted.not_after));
    X509_set_pubkey(&made, key_.get());
    X509_NAME_add_entry_by_txt(X509_get_subject_name(&made), "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(wanted.name.data()),
                               static_cast<int>(wanted.name.size()), -1, 0);
    X509_set_issuer_name(&made, X509_get_subject_name(&by));
    Extend(NID_basic_constraints, wanted.is_authority ? "critical,CA:TRUE" : "CA:FALSE");
    if (!wanted.alternative.empty()) Extend(NID_subject_alt_name, wanted.alternative);
    if (!wanted.usage.empty()) Extend(NID_ext_key_usage, wanted.usage);
    X509_sign(&made, issuer == nullptr ? key_.get() : issuer->key_.get(), EVP_sha256());
  }

  void Extend(int kind, const std::string& value) {
    X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, nullptr, kind, value.c_str());
    X509_add_ext(certificate_.get(), extension, -1);
    X509_EXTENSION_free(extension);
  }

  KeyPtr key_;
  CertificatePtr certificate_;
};

}  // namespace torchferry::tls
