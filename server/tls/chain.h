// What certificates say of themselves, and whether several are a chain.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstddef>
#include <string>

#include "server/tls/pem.h"
#include "server/tls/validity.h"

namespace torchferry::tls {

// "CN=server.example,O=Example", at most some hundred bytes, of printable characters.
std::string SubjectOf(const X509& certificate);
Validity ValidityOf(const X509& certificate);
bool HasAlternativeName(const X509& certificate);

// The most certificates of a chain.
inline constexpr size_t kMaxInChain = 10;

// INVALID_ARGUMENT unless `key` is that of the chain's first certificate. The files are those that they come from.
absl::Status CheckKey(const NamedText& certificate, const NamedText& key_file, const Certificates& chain,
                      EVP_PKEY& key);

// INVALID_ARGUMENT unless `now` is in `validity`, which is that of `certificate`. `file` is what messages call the
// file.
absl::Status CheckDates(const std::string& file, const X509& certificate, const Validity& validity, Date now);

// INVALID_ARGUMENT unless each has issued the one before it.
absl::Status CheckOrder(const std::string& file, const Certificates& chain);

// When all of the chain is valid. Its root, which clients have of their own, is not looked at. INVALID_ARGUMENT: that
// is not now.
absl::StatusOr<Validity> CheckChainDates(const std::string& file, const Certificates& chain, Date now);

}  // namespace torchferry::tls
