// What a listener shows its clients, and whose certificates it takes from them. All of it is checked here, before a
// library gets it: OpenSSL and gRPC say little of what is wrong.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "server/tls/pem.h"
#include "server/tls/validity.h"

namespace torchferry::tls {

// What is asked of clients. Whoever shows a certificate shows one of the authorities.
enum class ClientAuth : uint8_t { kNone, kRequest, kRequire };

// The files' contents.
struct Texts {
  NamedText certificate;
  NamedText key;
  NamedText client_ca;  // of authorities; without a name: there is none
};

// PEM, as OpenSSL writes it: what was checked is what is used.
struct Credentials {
  std::string
      chain;  // the server's certificate first, then those of its authorities, each the issuer of the one before
  std::string key;
  std::string client_ca;              // empty: none
  std::string subject;                // of the server's certificate, for people
  Validity validity;                  // of the chain: all of it is valid meanwhile
  std::vector<std::string> warnings;  // sentences
};

// INVALID_ARGUMENT names the file, what is wrong and the way out: no certificate or key in it, a key that is encrypted
// or of another certificate, a chain in another order, a certificate that is not valid `now`, or no authority that is.
absl::StatusOr<Credentials> CheckCredentials(const Texts& texts, Date now);

}  // namespace torchferry::tls
