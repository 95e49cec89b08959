#include "server/http/tls_context.h"

#include "server/base/logging.h"
#include "server/base/status.h"
#include "server/tls/server_context.h"

namespace torchferry::http {

Stream::TlsContext TlsContext::Current() {
  if (options_.source == nullptr) return nullptr;
  std::shared_ptr<const tls::Credentials> current = options_.source->Current();
  if (current == credentials_) return context_;
  absl::StatusOr<tls::SslContextPtr> made = tls::MakeServerContext(*current, options_.client_auth);
  credentials_ = std::move(current);
  if (made.ok()) {
    context_ = std::make_shared<boost::asio::ssl::context>(made->release());
  } else {
    base::LogError("HTTP: the certificate is not taken, and the one before stays",
                   {{"reason", base::MessageOf(made.status())}});
  }
  return context_;
}

}  // namespace torchferry::http
