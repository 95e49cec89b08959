// Owners of OpenSSL's objects, and its errors as texts.
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace torchferry::tls {

template <auto free>
struct OpenSslFree {
  template <typename Object>
  void operator()(Object* object) const {
    free(object);
  }
};
// BIO_free returns a number.
inline void FreeBio(BIO* bio) { BIO_free(bio); }

using BioPtr = std::unique_ptr<BIO, OpenSslFree<&FreeBio>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, OpenSslFree<&EVP_PKEY_free>>;
using CertificatePtr = std::unique_ptr<X509, OpenSslFree<&X509_free>>;
using SslContextPtr = std::unique_ptr<SSL_CTX, OpenSslFree<&SSL_CTX_free>>;
using Certificates = std::vector<CertificatePtr>;

// A BIO that reads `text`, which must outlive it.
BioPtr ReadingBio(std::string_view text);
// A BIO to write to. TextOf gives what was written.
BioPtr WritingBio();
std::string TextOf(BIO* bio);

// The reason of this thread's last error in OpenSSL, such as "ee key too small". It removes all errors of the thread.
std::string TakeError();

}  // namespace torchferry::tls
