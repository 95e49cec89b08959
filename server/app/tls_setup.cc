#include "server/app/tls_setup.h"

#include "server/base/status.h"

namespace torchferry::app {

absl::StatusOr<std::unique_ptr<tls::CredentialsWatch>> OpenTls(const ServerFlags& flags, metrics::Metrics& metrics) {
  if (flags.tls.certificate.empty()) return nullptr;
  const auto end_of = [](const tls::Credentials& credentials) {
    return static_cast<double>(credentials.validity.not_after.time_since_epoch().count());
  };
  return tls::CredentialsWatch::Open(
      flags.tls, {.on_taken = [&metrics, end_of](const tls::Credentials& taken) { metrics.TlsTaken(end_of(taken)); },
                  .on_refused = [&metrics] { metrics.TlsRefused(); }});
}

}  // namespace torchferry::app
