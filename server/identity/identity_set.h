// The identities of one file, and how a call is matched to one of them.
#pragma once

#include <absl/status/statusor.h>

#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/identity/caller.h"
#include "server/identity/identity_file.h"

namespace torchferry::identity {

// The credentials that a call brings. Views.
struct Credentials {
  std::span<const std::string_view> authorization;  // each value of that header
  std::span<const CertificateName> certificate;     // the names of a client's certificate that was verified
};

enum class Finding {
  kNobody,   // the call brings no credentials
  kUnknown,  // no identity has the token or certificate, or the authorization is no token
  kExpired,  // the token has expired
  kKnown,
};

struct Recognition {
  Finding finding = Finding::kNobody;
  std::shared_ptr<const Identity> identity;  // set for kKnown and kExpired
};

// The token of "Bearer TOKEN"; empty for anything else.
std::string_view TokenOf(std::string_view authorization);

// Immutable.
class IdentitySet {
 public:
  explicit IdentitySet(std::vector<IdentityEntry> entries);

  // A token decides, even where there is a certificate. Otherwise the first name in the certificate that an identity
  // has decides. A token is compared with all tokens, in the same time whatever it is.
  Recognition Recognise(const Credentials& credentials, WallTime now) const;

  size_t size() const { return size_; }

 private:
  struct KnownToken {
    Token token;
    std::shared_ptr<const Identity> identity;
  };

  Recognition ByToken(std::string_view token, WallTime now) const;

  const size_t size_;
  std::vector<KnownToken> tokens_;
  std::map<CertificateName, std::shared_ptr<const Identity>, std::less<>> certificates_;
};

}  // namespace torchferry::identity
