// The certificate that a listener shows its clients, and the authorities of clients' certificates that it accepts. All
// are checked here before a library gets them, as OpenSSL and gRPC say little about errors.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "server/tls/pem.h"
#include "server/tls/validity.h"

namespace torchferry::tls {

// Whether clients are asked for a certificate, and must show one. A certificate that is shown must be from one of the
// authorities.
enum class ClientAuth : uint8_t { kNone, kRequest, kRequire };

// The files' contents.
struct Texts {
  NamedText certificate;
  NamedText key;
  NamedText client_ca;  // the authorities; without a name: not given
};

// PEM, as OpenSSL writes it: the checked contents are those that are used.
struct Credentials {
  std::string
      chain;  // the server's certificate first, then those of its authorities, each the issuer of the one before
  std::string key;
  std::string client_ca;              // empty: none
  std::string subject;                // of the server's certificate, for people
  Validity validity;                  // the time when the whole chain is valid
  std::vector<std::string> warnings;  // sentences
};

// INVALID_ARGUMENT names the file, what is wrong and the way out. A file may have no certificate or key, or have an
// encrypted key or the key of another certificate. The chain may be in another order, or have a certificate that is not
// valid `now`. All authorities may be invalid.
absl::StatusOr<Credentials> CheckCredentials(const Texts& texts, Date now);

}  // namespace torchferry::tls
