// The server's command line and environment.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "server/base/logging.h"
#include "server/registry/registry.h"
#include "server/tls/credentials.h"
#include "server/tls/files.h"

namespace torchferry::app {

// Each value is set by a flag, --model-store, or a variable, TORCHFERRY_MODEL_STORE. The flag wins.
struct ServerFlags {
  std::string model_store;
  std::string grpc_address = "127.0.0.1:8001";
  std::string metrics_address = "127.0.0.1:8002";
  std::string device = "auto";
  std::string admin_address;             // empty: --grpc-address
  std::string identities;                // a file of client identities; empty: everybody may make every call
  std::vector<std::string> load_models;  // with --model-control explicit: models to load at the start; "*": all
  std::string trusted_digests;           // a list of SHA-256 digests: no other file is loaded; empty: any file may be
  std::string state_dir;                 // empty: nothing is kept from one run to the next
  std::string port_file;
  tls::Files tls;  // without a certificate: plain text
  double optimize_budget_seconds = 10;
  int64_t max_queue_size = 1024;
  int64_t max_queue_rows = 0;  // of a model; 0: no limit, as for all these
  int64_t max_queue_mib = 0;
  int64_t max_requests_per_model = 0;  // in flight
  int64_t max_mib_per_model = 0;
  int64_t max_streams_per_model = 0;
  int64_t max_requests_per_client = 0;
  int64_t max_mib_per_client = 0;
  int64_t max_streams_per_client = 0;
  double stateful_stream_timeout_seconds = 0;  // 0: idle streams are not ended
  int64_t max_stateful_streams = 256;          // of each version
  double stateful_stream_idle_seconds = 600;
  int64_t max_message_mib = 64;
  double keepalive_seconds = 60;  // 0: the server sends no pings
  double keepalive_timeout_seconds = 20;
  double keepalive_min_interval_seconds = 5;  // between two pings of a client
  double max_connection_idle_seconds = 300;   // 0: no limit, as for the next
  double max_connection_age_seconds = 0;
  double max_connection_age_grace_seconds = 600;
  int64_t memory_budget_mib = 0;  // 0: a quarter of the memory that the process may use
  double send_timeout_seconds = 60;
  double forward_timeout_seconds = 300;  // of one forward pass, unless a model's configuration sets it
  double load_timeout_seconds = 600;     // of loading a version, likewise
  double drain_timeout_seconds = 30;
  double shutdown_delay_seconds = 0;
  double watch_interval_seconds = 5;
  double device_probe_interval_seconds = 5;
  unsigned unix_socket_mode = 0600;
  int grpc_threads = 0;  // 0: one for each four processors of the cgroup's quota
  int busy_poll_microseconds = 100;
  int workers = 0;                   // 0: the cgroup's quota over intra_op_threads
  int intra_op_threads = 1;          // of each worker
  int max_connections = 0;           // to --grpc-address; 0: from the descriptors that this process may have
  int max_connections_per_peer = 0;  // 0: nine tenths of max_connections
  int max_streams_per_connection = 1024;
  int max_ping_strikes = 2;
  int load_threads = 2;       // max versions that are loaded at the same time
  int max_stuck_threads = 8;  // max workers, and max loaders, that other threads replace
  registry::ReadinessPolicy readiness = registry::ReadinessPolicy::kAny;
  base::LogFormat log_format = base::LogFormat::kText;
  base::LogLevel log_level = base::LogLevel::kInfo;
  bool optimize = true;  // models whose configuration does not set it are tuned when they are loaded
  bool deterministic = false;
  bool reflection = false;
  bool enable_admin = false;
  bool closed_health = false;  // with identities: health calls need one, too
  bool insecure_admin = false;
  bool watch = false;
  bool tunes_store = false;          // --tune: the models of `model_store` are tuned, and nothing is served
  bool loads_by_call_alone = false;  // --model-control explicit
  bool exit_on_stuck = false;
  bool exit_on_device_loss = false;
  bool trust_model_code = false;
  bool torchscript = true;
  bool follow_links_out_of_store = false;
  bool checks_store = false;      // --check: reports how a server would serve `model_store`; nothing is served
  bool check_loads = false;       // with that: each version is loaded, too
  bool check_load_memory = true;  // a version that needs more memory to load than there is fails before it is read
  tls::ClientAuth tls_client_auth = tls::ClientAuth::kNone;
  // For --metrics-address. nullopt: plain text. With TLS, clients may have to show a certificate.
  std::optional<tls::ClientAuth> metrics_tls;
};

// Whether `model` is loaded at the start.
bool LoadsAtStart(const ServerFlags& flags, const std::string& model);

// Returns the flags, or the exit code when the program must end at once: after --help, --version, or a printed error
// (2). `device_types` are the types that --device may name.
std::variant<ServerFlags, int> ParseFlags(int argc, char** argv, const std::vector<std::string>& device_types);

}  // namespace torchferry::app
