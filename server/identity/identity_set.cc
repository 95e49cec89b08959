#include "server/identity/identity_set.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <cctype>
#include <utility>

#include "server/checkpoint/sha256.h"
#include "server/identity/limits.h"

namespace torchferry::identity {

std::string_view TokenOf(std::string_view authorization) {
  constexpr std::string_view kScheme = "bearer ";
  if (authorization.size() <= kScheme.size() || authorization.size() > limits::kMaxAuthorizationBytes) return {};
  const bool is_bearer = std::ranges::equal(authorization.substr(0, kScheme.size()), kScheme, [](char a, char b) {
    return std::tolower(static_cast<unsigned char>(a)) == b;
  });
  return is_bearer ? authorization.substr(kScheme.size()) : std::string_view();
}

IdentitySet::IdentitySet(std::vector<IdentityEntry> entries) : size_(entries.size()) {
  for (IdentityEntry& entry : entries) {
    const auto identity = std::make_shared<const Identity>(std::move(entry.identity));
    for (const Token& token : entry.tokens) tokens_.push_back({token, identity});
    for (CertificateName& name : entry.certificates) certificates_.emplace(std::move(name), identity);
  }
}

Recognition IdentitySet::ByToken(std::string_view token, WallTime now) const {
  const auto digest = checkpoint::Sha256Of(std::as_bytes(std::span(token)));
  if (token.empty() || !digest.ok()) return {.finding = Finding::kUnknown, .identity = nullptr};
  size_t found = tokens_.size();
  for (size_t i = 0; i < tokens_.size(); ++i) {
    const bool is_it = CRYPTO_memcmp(tokens_[i].token.digest.data(), digest->data(), digest->size()) == 0;
    found = is_it ? i : found;
  }
  if (found == tokens_.size()) return {.finding = Finding::kUnknown, .identity = nullptr};
  const KnownToken& known = tokens_[found];
  const bool is_expired = known.token.expires.has_value() && now >= *known.token.expires;
  return {.finding = is_expired ? Finding::kExpired : Finding::kKnown, .identity = known.identity};
}

Recognition IdentitySet::Recognise(const Credentials& credentials, WallTime now) const {
  if (credentials.authorization.size() > 1) return {.finding = Finding::kUnknown, .identity = nullptr};
  if (!credentials.authorization.empty()) return ByToken(TokenOf(credentials.authorization.front()), now);
  if (credentials.certificate.empty()) return {};
  for (const CertificateName& name : credentials.certificate) {
    const auto known = certificates_.find(name);
    if (known != certificates_.end()) return {.finding = Finding::kKnown, .identity = known->second};
  }
  return {.finding = Finding::kUnknown, .identity = nullptr};
}

}  // namespace torchferry::identity
