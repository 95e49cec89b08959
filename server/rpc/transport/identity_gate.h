// The gate of a server with identities.
#pragma once

#include <cstdint>
#include <string>

#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/base/rate_limit.h"
#include "server/identity/identities.h"
#include "server/metrics/metrics.h"
#include "server/rpc/transport/gate.h"

namespace torchferry::rpc {

// The gate's answer for a recognition. The texts do not distinguish a token or certificate that has expired from an
// unknown one. They name nothing but the caller's own identity.
absl::Status CheckRecognised(const identity::Recognition& recognition, const MethodRule& rule, bool probes_are_open);

class IdentityGate final : public Gate {
 public:
  // All arguments outlive the gate.
  IdentityGate(const identity::Identities& identities, bool probes_are_open, metrics::Metrics& metrics,
               const base::Clock& clock)
      : identities_(identities), probes_are_open_(probes_are_open), metrics_(metrics), clock_(clock) {}

  // Recognises the caller by the metadata "authorization", or without it by the names in the client's certificate.
  // These are the subject's alternative names (DNS and URI), or without any alternative name its common name. Refusals
  // are counted by code, and some of them are logged.
  absl::Status Admit(const grpc::ServerContext& context, const MethodRule& rule, identity::Caller& caller) override;

 private:
  void Refused(const absl::Status& status, const identity::Recognition& recognition, const MethodRule& rule,
               const std::string& peer);

  const identity::Identities& identities_;
  const bool probes_are_open_;
  metrics::Metrics& metrics_;
  const base::Clock& clock_;
  base::Mutex mutex_;
  base::RateLimit logged_ FERRY_GUARDED_BY(mutex_){/*burst=*/20, /*per_second=*/1};
};

}  // namespace torchferry::rpc
