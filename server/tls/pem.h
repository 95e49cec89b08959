// Certificates and keys in PEM, the text form with BEGIN and END lines.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstddef>
#include <string>
#include <string_view>

#include "server/tls/openssl_handles.h"

namespace torchferry::tls {

// Of what a file holds and should not.
inline constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;

// A file as messages call it, "--tls-cert /etc/tls/tls.crt", and what it holds.
struct NamedText {
  std::string name;
  std::string text;
};

// More bytes than this are no certificate, key or list of authorities.
inline constexpr size_t kMaxFileBytes = size_t{1} << 20;

// All certificates of the file, in its order: at least one, at most `most`. Other blocks, a key say, are passed over.
// INVALID_ARGUMENT: there is none, or one is cut short or is no certificate.
absl::StatusOr<Certificates> ReadCertificates(const NamedText& file, size_t most);

// The one private key of the file. INVALID_ARGUMENT: there is none, or it is encrypted.
absl::StatusOr<KeyPtr> ReadPrivateKey(const NamedText& file);

std::string ToPem(const Certificates& certificates);
std::string ToPem(EVP_PKEY& key);

}  // namespace torchferry::tls
