// Makes OpenSSL's context for connections from credentials, for listeners that use OpenSSL themselves.
#pragma once

#include <absl/status/statusor.h>

#include "server/tls/credentials.h"
#include "server/tls/openssl_handles.h"

namespace torchferry::tls {

// TLS 1.2 and 1.3, for HTTP/1.1. INTERNAL when OpenSSL does not accept credentials that CheckCredentials has passed.
absl::StatusOr<SslContextPtr> MakeServerContext(const Credentials& credentials, ClientAuth auth);

}  // namespace torchferry::tls
