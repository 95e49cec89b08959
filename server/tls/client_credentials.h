// What a client shows a server, and which servers it trusts.
#pragma once

#include <absl/status/statusor.h>

#include <string>

#include "server/tls/validity.h"

namespace torchferry::tls {

// Paths of this host, each empty: not given.
struct ClientFiles {
  std::string ca;
  std::string certificate;
  std::string key;
};

// PEM, checked; empty where there is no such file.
struct ClientCredentials {
  std::string ca;
  std::string chain;
  std::string key;
};

// Messages call the files by the flags --tls-ca, --tls-client-cert and --tls-client-key. Errors of ReadFile, and
// INVALID_ARGUMENT: one is not what it should be, the pair does not fit or is not valid `now`, or is half given.
absl::StatusOr<ClientCredentials> ReadClientCredentials(const ClientFiles& files, Date now);

}  // namespace torchferry::tls
