// The HTTP listener's certificate, as connections that begin now have it.
#pragma once

#include <memory>

#include "server/http/stream.h"
#include "server/http/tls_options.h"

namespace torchferry::http {

// Of one thread.
class TlsContext {
 public:
  explicit TlsContext(const TlsOptions& options) : options_(options) {}

  // Null: plain text.
  Stream::TlsContext Current();

 private:
  const TlsOptions options_;
  std::shared_ptr<const tls::Credentials> credentials_;  // that `context_` was made of
  Stream::TlsContext context_;
};

}  // namespace torchferry::http
