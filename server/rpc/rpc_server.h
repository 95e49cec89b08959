// The gRPC listener with all its services, and its orderly end.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "server/base/clock.h"
#include "server/identity/identities.h"
#include "server/metrics/metrics.h"
#include "server/registry/registry.h"
#include "server/rpc/transport/call_loop.h"
#include "server/rpc/transport/call_memory.h"
#include "server/rpc/transport/connection_times.h"
#include "server/rpc/transport/open_connections.h"
#include "server/rpc/transport/tls_credentials.h"
#include "server/serving/flight_limits.h"

namespace torchferry::rpc {

// Thread-safe.
class RpcServer {
 public:
  struct Options {
    std::string address = "127.0.0.1:8001";  // HOST:PORT, where port 0 takes a free one, or unix:PATH
    unsigned unix_mode = 0600;               // permissions of that file, and of `admin_address`'s
    ConnectionLimits connections;            // of `address`
    ConnectionLimits admin_connections;      // of `admin_address`
    ConnectionTimes times;                   // of both addresses
    int64_t max_message_bytes = 64 << 20;    // max of a request and of a response
    MemoryPlan memory = PlanMemory(0, 0, 64 << 20);
    int max_streams = 1024;                                 // of a connection, at the same time
    base::Duration send_timeout{std::chrono::seconds(60)};  // CallMemory::TimeToSend
    TlsOptions tls;                                         // of both addresses
    serving::FlightLimits client_limits;
    base::Duration stream_timeout{0};  // max time between requests of a stream with a state; zero: no limit
    bool reflection = false;
    const identity::Identities* identities = nullptr;  // outlives the server; null: everybody may ask everything
    bool probes_are_open = true;                       // health needs no identity
    std::string server_version;
    bool admin = false;         // whether it loads and unloads models
    std::string admin_address;  // HOST:PORT for that alone; empty: `address` takes it, too
    registry::ReadinessPolicy readiness = registry::ReadinessPolicy::kAny;
    int threads = 1;              // threads that carry calls
    base::Duration busy_poll{0};  // of these threads, after work (busy_poll.h)
    // A reason other than the models' states for not being ready, as a sentence; empty: there is no such reason. Must
    // be cheap and thread-safe.
    std::function<std::string()> not_answering = nullptr;
  };

  // Listens at once. UNAVAILABLE when the address cannot be bound, for example because another server has it.
  static absl::StatusOr<std::unique_ptr<RpcServer>> Start(const Options& options, registry::Registry& registry,
                                                          metrics::Metrics& metrics, const base::Clock& clock);
  virtual ~RpcServer() = default;

  virtual int port() const = 0;        // 0 for unix:PATH
  virtual int admin_port() const = 0;  // 0 for unix:PATH, and without `admin_address`
  // Empty when ready, otherwise the reason; the same as health's "". A server that accepts no new connection is not
  // ready.
  virtual std::string NotReadyReason() const = 0;
  // Sets the work that the calls' threads do between calls. `work` outlives the server. To be called once.
  virtual void SetWork(InlineWork& work) = 0;
  // Must be called when a version's state has changed.
  virtual void NotifyHealth() = 0;

  // Reports not ready from now on, while requests are still taken.
  virtual void AnnounceDrain() = 0;
  // Takes no more Predicts and waits for those in flight, until `deadline`, while health still answers. Then it stops.
  // False: some were still in flight and had to be cancelled.
  virtual bool DrainAndStop(base::TimePoint deadline) = 0;
};

}  // namespace torchferry::rpc
