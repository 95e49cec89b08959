// Reads the fields of certificates, and checks whether several are a chain.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstddef>
#include <string>

#include "server/tls/pem.h"
#include "server/tls/validity.h"

namespace torchferry::tls {

// "CN=server.example,O=Example", max some hundred bytes, of printable characters.
std::string SubjectOf(const X509& certificate);
Validity ValidityOf(const X509& certificate);
bool HasAlternativeName(const X509& certificate);

// Max certificates of a chain.
inline constexpr size_t kMaxInChain = 10;

// INVALID_ARGUMENT unless `key` is that of the chain's first certificate. `certificate` and `key_file` are the files
// that they come from.
absl::Status CheckKey(const NamedText& certificate, const NamedText& key_file, const Certificates& chain,
                      EVP_PKEY& key);

// INVALID_ARGUMENT unless `now` is in `validity`, the validity of `certificate`. `file` is what messages call the file.
absl::Status CheckDates(const std::string& file, const X509& certificate, const Validity& validity, Date now);

// INVALID_ARGUMENT unless each certificate has issued the one before it.
absl::Status CheckOrder(const std::string& file, const Certificates& chain);

// The time when the whole chain is valid. Its root is not checked, as clients have their own copy. INVALID_ARGUMENT:
// the chain is not valid `now`.
absl::StatusOr<Validity> CheckChainDates(const std::string& file, const Certificates& chain, Date now);

}  // namespace torchferry::tls
