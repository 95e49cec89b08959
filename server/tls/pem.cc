#include "server/tls/pem.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include "server/base/status.h"

namespace torchferry::tls {
namespace {

bool Has(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

bool IsCertificate(std::string_view block) {
  return block == PEM_STRING_X509 || block == PEM_STRING_X509_OLD || block == PEM_STRING_X509_TRUSTED;
}

// A block of a PEM file, freed with it.
struct Block {
  char* name = nullptr;
  char* header = nullptr;
  unsigned char* data = nullptr;
  long length = 0;  // NOLINT(google-runtime-int): OpenSSL's type

  Block() = default;
  ~Block() {
    OPENSSL_free(name);
    OPENSSL_free(header);
    if (data != nullptr) OPENSSL_clear_free(data, static_cast<size_t>(length));
  }
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;

  bool Read(BIO* from) { return PEM_read_bio(from, &name, &header, &data, &length) == 1; }
};

// Where there is not one BEGIN line of a block with `word`.
absl::Status NothingIn(const NamedText& file, std::string_view wanted) {
  std::string_view what = "it is no PEM text: convert it with openssl, or name another file";
  if (file.text.empty()) what = "it is empty";
  if (Has(file.text, "-----BEGIN")) what = "its PEM blocks are of other kinds";
  if (Has(file.text, "PRIVATE KEY-----")) what = "it holds a private key: are certificate and key swapped?";
  return base::MakeStatus(kInvalid, "{}: holds no {}; {}", file.name, wanted, what);
}

absl::Status Damaged(const NamedText& file, size_t number) {
  return base::MakeStatus(kInvalid, "{}: PEM block {} is damaged ({}); expected lines from BEGIN to END, of base64",
                          file.name, number, TakeError());
}

// Called when a key is encrypted, in place of asking for a passphrase on the terminal.
int NoPassphrase(char* /*into*/, int /*size*/, int /*writing*/, void* was_asked) {
  *static_cast<bool*>(was_asked) = true;
  return -1;
}

}  // namespace

absl::StatusOr<Certificates> ReadCertificates(const NamedText& file, size_t most) {
  ERR_clear_error();
  const BioPtr bio = ReadingBio(file.text);
  Certificates certificates;
  for (size_t number = 1;; ++number) {
    Block block;
    if (!block.Read(bio.get())) {
      if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) return Damaged(file, number);
      ERR_clear_error();
      break;  // the end
    }
    if (!IsCertificate(block.name)) continue;
    const unsigned char* at = block.data;
    CertificatePtr certificate(d2i_X509(nullptr, &at, block.length));
    if (certificate == nullptr) {
      return base::MakeStatus(kInvalid, "{}: certificate {} is no X.509 certificate ({})", file.name,
                              certificates.size() + 1, TakeError());
    }
    if (certificates.size() == most) {
      return base::MakeStatus(kInvalid, "{}: holds more than {} certificates; leave out those that are not needed",
                              file.name, most);
    }
    certificates.push_back(std::move(certificate));
  }
  if (certificates.empty()) return NothingIn(file, "certificate");
  return certificates;
}

absl::StatusOr<KeyPtr> ReadPrivateKey(const NamedText& file) {
  ERR_clear_error();
  const BioPtr bio = ReadingBio(file.text);
  bool was_asked = false;
  KeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, &NoPassphrase, &was_asked));
  const std::string why = key == nullptr ? TakeError() : "";
  if (was_asked) {
    return base::MakeStatus(kInvalid,
                            "{}: the key is encrypted, and the server cannot ask for its passphrase. Decrypt it with "
                            "openssl pkey -in KEY -out NEW, readable by the server's user alone",
                            file.name);
  }
  if (key != nullptr) return key;
  if (Has(file.text, "PRIVATE KEY-----")) {
    return base::MakeStatus(kInvalid, "{}: the private key is damaged, or of an unknown kind ({})", file.name, why);
  }
  if (Has(file.text, "BEGIN CERTIFICATE")) {
    return base::MakeStatus(kInvalid, "{}: holds a certificate and no private key: are certificate and key swapped?",
                            file.name);
  }
  return NothingIn(file, "private key");
}

std::string ToPem(const Certificates& certificates) {
  const BioPtr bio = WritingBio();
  for (const CertificatePtr& certificate : certificates) PEM_write_bio_X509(bio.get(), certificate.get());
  return TextOf(bio.get());
}

std::string ToPem(EVP_PKEY& key) {
  const BioPtr bio = WritingBio();
  PEM_write_bio_PrivateKey(bio.get(), &key, nullptr, nullptr, 0, nullptr, nullptr);
  return TextOf(bio.get());
}

}  // namespace torchferry::tls
