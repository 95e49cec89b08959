// Who is who, as one file of identities says.
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

// What a call brings to say who it is. Views.
struct Credentials {
  std::span<const std::string_view> authorization;  // each value of that header
  std::span<const CertificateName> certificate;     // the names of a client's certificate that was verified
};

enum class Finding {
  kNobody,   // it has not said
  kUnknown,  // a token or a certificate that no identity has, or something else
  kExpired,  // a token whose time is over
  kKnown,
};

struct Recognition {
  Finding finding = Finding::kNobody;
  std::shared_ptr<const Identity> identity;  // of kKnown, and of kExpired
};

// The token of "Bearer TOKEN"; empty for anything else.
std::string_view TokenOf(std::string_view authorization);

// Immutable.
class IdentitySet {
 public:
  explicit IdentitySet(std::vector<IdentityEntry> entries);

  // A token that is sent decides, even where there is a certificate. Of the certificate's names the first decides that
  // an identity has. A token is held against all there are, in the same time whatever it is.
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
