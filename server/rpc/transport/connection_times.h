// How long connections live, and how often either side may ping the other.
#pragma once

#include <chrono>

#include "server/base/clock.h"

namespace grpc {
class ServerBuilder;
}  // namespace grpc

namespace torchferry::rpc {

// gRPC takes whole milliseconds: times are rounded up to these.
struct ConnectionTimes {
  // Silence after which this server pings a client. Zero: it never does.
  base::Duration keepalive{std::chrono::seconds(60)};
  // Max time for the acknowledgement. A connection without one is closed, with its calls.
  base::Duration keepalive_timeout{std::chrono::seconds(20)};
  // A ping of a client that comes sooner after its last one is a strike. Sending an answer clears all strikes.
  base::Duration least_ping_interval{std::chrono::seconds(5)};
  // A connection with more strikes is ended ("too_many_pings"). 0 counts as 1.
  int max_ping_strikes = 2;
  // A connection without a call is told to close after this time. Zero: never.
  base::Duration max_idle{std::chrono::seconds(300)};
  // Any connection is told to close after this time, up to a tenth more or less. Zero: never.
  base::Duration max_age{0};
  // Max time for the calls that are in flight then.
  base::Duration age_grace{std::chrono::seconds(600)};
};

// To be called before the builder makes its server.
void SetConnectionTimes(const ConnectionTimes& times, grpc::ServerBuilder& builder);

}  // namespace torchferry::rpc
