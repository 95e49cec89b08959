// Whether the HTTP listener uses TLS, and its certificate.
#pragma once

#include "server/tls/credentials_watch.h"

namespace torchferry::http {

struct TlsOptions {
  const tls::CredentialsSource* source = nullptr;  // null: plain text; outlives the server
  tls::ClientAuth client_auth = tls::ClientAuth::kNone;
};

}  // namespace torchferry::http
