// The certificates that the flags name, watched and counted.
#pragma once

#include <absl/status/statusor.h>

#include <memory>

#include "server/app/flags.h"
#include "server/metrics/metrics.h"
#include "server/tls/credentials_watch.h"

namespace torchferry::app {

// Null without --tls-cert. An error when the files may not be served (tls/credentials.h). `metrics` outlives it.
absl::StatusOr<std::unique_ptr<tls::CredentialsWatch>> OpenTls(const ServerFlags& flags, metrics::Metrics& metrics);

}  // namespace torchferry::app
