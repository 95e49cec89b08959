// The certificate of a client, and the authorities of the servers that it trusts.
#pragma once

#include <absl/status/statusor.h>

#include <string>

#include "server/tls/validity.h"

namespace torchferry::tls {

// Paths of this host. An empty path: not given.
struct ClientFiles {
  std::string ca;
  std::string certificate;
  std::string key;
};

// Checked PEM; empty where no file is given.
struct ClientCredentials {
  std::string ca;
  std::string chain;
  std::string key;
};

// Messages call the files by the flags --tls-ca, --tls-client-cert and --tls-client-key. It returns the errors of
// ReadFile. INVALID_ARGUMENT: a file has wrong contents, the pair does not fit or is not valid `now`, or only half of
// it is given.
absl::StatusOr<ClientCredentials> ReadClientCredentials(const ClientFiles& files, Date now);

}  // namespace torchferry::tls
