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
          "A gRPC client that has been silent for so long is pinged; 0: never")
      ->check(CLI::Range(0.0, kDay));
  AddFlag(app, "--keepalive-timeout-seconds", flags.keepalive_timeout_seconds,
          "A client that leaves such a ping unanswered for so long is gone: its calls are cancelled")
      ->check(CLI::Range(0.001, 3600.0));
  AddFlag(app, "--keepalive-min-interval-seconds", flags.keepalive_min_interval_seconds,
          "How often a client may ping, with calls or without; a ping that comes sooner is a strike")
      ->check(CLI::Range(0.001, 7200.0));
  AddFlag(app, "--max-ping-strikes", flags.max_ping_strikes,
          "A connection with more strikes is ended; an answer on its way forgives them")
      ->check(CLI::Range(1, 1000));
}

void AddLifetime(CLI::App& app, ServerFlags& flags) {
  AddFlag(app, "--max-connection-idle-seconds", flags.max_connection_idle_seconds,
          "A gRPC connection without a call is told to go after so long; 0: never")
      ->check(CLI::Range(0.0, 24 * kDay));
  AddFlag(app, "--max-connection-age-seconds", flags.max_connection_age_seconds,
          "Any gRPC connection is told to go after so long, up to a tenth more or less; 0: never. Clients behind a "
          "balancer then reach new servers")
      ->check(CLI::Range(0.0, 24 * kDay));
  AddFlag(app, "--max-connection-age-grace-seconds", flags.max_connection_age_grace_seconds,
          "How long its calls in flight may take then, streams included")
      ->check(CLI::Range(0.0, 24 * kDay));
}

}  // namespace

void AddConnectionFlags(CLI::App& app, ServerFlags& flags) {
  AddFlag(app, "--max-connections", flags.max_connections,
          "Connections to --grpc-address that may be open; more are closed at once. 0: what the limit of open files "
          "leaves, 8192 at most")
      ->check(CLI::Range(0, 1000000));
  AddFlag(app, "--max-connections-per-peer", flags.max_connections_per_peer,
          "Such connections of one address, or of one IPv6 network; 0: nine of ten of --max-connections")
      ->check(CLI::Range(0, 1000000));
  AddFlag(app, "--max-streams-per-connection", flags.max_streams_per_connection,
          "Calls of a connection at the same time; its client holds back more")
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
          .most_ping_strikes = flags.max_ping_strikes,
          .most_idle = TimeOf(flags.max_connection_idle_seconds),
          .most_age = TimeOf(flags.max_connection_age_seconds),
          .age_grace = TimeOf(flags.max_connection_age_grace_seconds)};
}

}  // namespace torchferry::app
