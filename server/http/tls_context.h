// The HTTP listener's certificate for new connections.
#pragma once

#include <memory>

#include "server/http/stream.h"
#include "server/http/tls_options.h"

namespace torchferry::http {

// Not thread-safe: used by one thread.
class TlsContext {
 public:
  explicit TlsContext(const TlsOptions& options) : options_(options) {}

  // Null: plain text.
  Stream::TlsContext Current();

 private:
  const TlsOptions options_;
  std::shared_ptr<const tls::Credentials> credentials_;  // `context_` was made from these
  Stream::TlsContext context_;
};

}  // namespace torchferry::http
