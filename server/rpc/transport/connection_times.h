// How long connections live, and how often either side may ask whether the other is still there.
#pragma once

#include <chrono>

#include "server/base/clock.h"

namespace grpc {
class ServerBuilder;
}  // namespace grpc

namespace torchferry::rpc {

// Times are whole milliseconds to gRPC: a part of one counts as one.
struct ConnectionTimes {
  // Of silence, after which this server pings a client. Zero: it does not.
  base::Duration keepalive{std::chrono::seconds(60)};
  // For the acknowledgement; a connection without one is closed, with its calls.
  base::Duration keepalive_timeout{std::chrono::seconds(20)};
  // A ping of a client that comes sooner after its last one is a strike. An answer on its way forgives all strikes.
  base::Duration least_ping_interval{std::chrono::seconds(5)};
  // A connection with more strikes is ended ("too_many_pings").
  int max_ping_strikes = 2;
  // A connection without a call is told to go after so long. Zero: never.
  base::Duration max_idle{std::chrono::seconds(300)};
  // Any connection is told to go after so long, up to a tenth more or less. Zero: never.
  base::Duration max_age{0};
  // For the calls that are in flight then.
  base::Duration age_grace{std::chrono::seconds(600)};
};

// To be called before the builder makes its server.
void SetConnectionTimes(const ConnectionTimes& times, grpc::ServerBuilder& builder);

}  // namespace torchferry::rpc
