#include "server/app/connection_flags.h"

#include <cmath>

#include "server/app/flag_options.h"

namespace torchferry::app {
namespace {

constexpr double kDay = 86400;

base::Duration TimeOf(double seconds) {
  return std::chrono::duration_cast<base::Duration>(std::chrono::duration<double>(seconds));
}

void AddKeepalive(CLI::App& app, ServerFlags& flags) {
  AddFlag(app, "--keepalive-seconds", flags.keepalive_seconds,
          "Idle time after which the server pings a gRPC client; 0: never")
      ->check(CLI::Range(0.0, kDay));
  AddFlag(app, "--keepalive-timeout-seconds", flags.keepalive_timeout_seconds,
          "How long a client may take to answer that ping; then its calls are cancelled")
      ->check(CLI::Range(0.001, 3600.0));
  AddFlag(app, "--keepalive-min-interval-seconds", flags.keepalive_min_interval_seconds,
          "Min time between two pings of a client, with calls or without; an earlier ping is a strike")
      ->check(CLI::Range(0.001, 7200.0));
  AddFlag(app, "--max-ping-strikes", flags.max_ping_strikes,
          "Max strikes of a connection before it is ended; an answer resets them")
      ->check(CLI::Range(1, 1000));
}

void AddLifetime(CLI::App& app, ServerFlags& flags) {
  AddFlag(app, "--max-connection-idle-seconds", flags.max_connection_idle_seconds,
          "Max time of a gRPC connection without a call before the server closes it; 0: no limit")
      ->check(CLI::Range(0.0, 24 * kDay));
  AddFlag(app, "--max-connection-age-seconds", flags.max_connection_age_seconds,
          "Max age of a gRPC connection, up to a tenth more or less; 0: no limit. Clients behind a balancer then reach "
          "new servers")
      ->check(CLI::Range(0.0, 24 * kDay));
  AddFlag(app, "--max-connection-age-grace-seconds", flags.max_connection_age_grace_seconds,
          "How long the calls in flight, streams included, may take after that age")
      ->check(CLI::Range(0.0, 24 * kDay));
}

}  // namespace

void AddConnectionFlags(CLI::App& app, ServerFlags& flags) {
  AddFlag(app, "--max-connections", flags.max_connections,
          "Max open connections to --grpc-address; more are closed at once. 0: what the limit of open files leaves, "
          "8192 at most")
      ->check(CLI::Range(0, 1000000));
  AddFlag(app, "--max-connections-per-peer", flags.max_connections_per_peer,
          "Max open connections of one address, or of one IPv6 /64 network; 0: nine tenths of --max-connections")
      ->check(CLI::Range(0, 1000000));
  AddFlag(app, "--max-streams-per-connection", flags.max_streams_per_connection,
          "Max calls of a connection at the same time; its client holds back more")
      ->check(CLI::Range(1, 1 << 20));
  AddKeepalive(app, flags);
  AddLifetime(app, flags);
}

void CheckConnectionFlags(const ServerFlags& flags) {
  for (const double seconds :
       {flags.keepalive_seconds, flags.keepalive_timeout_seconds, flags.keepalive_min_interval_seconds,
        flags.max_connection_idle_seconds, flags.max_connection_age_seconds, flags.max_connection_age_grace_seconds}) {
    // CLI11's Range lets NaN through.
    if (std::isnan(seconds)) throw CLI::ValidationError("a flag in seconds", "is NaN; expected a number");
  }
}

rpc::ConnectionTimes ConnectionTimesOf(const ServerFlags& flags) {
  return {.keepalive = TimeOf(flags.keepalive_seconds),
          .keepalive_timeout = TimeOf(flags.keepalive_timeout_seconds),
          .least_ping_interval = TimeOf(flags.keepalive_min_interval_seconds),
          .max_ping_strikes = flags.max_ping_strikes,
          .max_idle = TimeOf(flags.max_connection_idle_seconds),
          .max_age = TimeOf(flags.max_connection_age_seconds),
          .age_grace = TimeOf(flags.max_connection_age_grace_seconds)};
}

}  // namespace torchferry::app
