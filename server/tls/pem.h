// Certificates and keys in PEM, the text form with BEGIN and END lines.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstddef>
#include <string>
#include <string_view>

#include "server/tls/openssl_handles.h"

namespace torchferry::tls {

// The status code for wrong contents of a file.
inline constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;

// A file: its name in messages, such as "--tls-cert /etc/tls/tls.crt", and its contents.
struct NamedText {
  std::string name;
  std::string text;
};

// Max bytes of a file with certificates, a key or authorities.
inline constexpr size_t kMaxFileBytes = size_t{1} << 20;

// All certificates of the file, in its order: min one, max `most`. Other blocks, such as a key, are skipped.
// INVALID_ARGUMENT: the file has no certificate, or one is cut short or is no certificate.
absl::StatusOr<Certificates> ReadCertificates(const NamedText& file, size_t most);

// The one private key of the file. INVALID_ARGUMENT: the file has no key, or the key is encrypted.
absl::StatusOr<KeyPtr> ReadPrivateKey(const NamedText& file);

std::string ToPem(const Certificates& certificates);
std::string ToPem(EVP_PKEY& key);

}  // namespace torchferry::tls
