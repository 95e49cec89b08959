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

// Each is a flag, --model-store, and a variable, TORCHFERRY_MODEL_STORE; the flag wins.
struct ServerFlags {
  std::string model_store;
  std::string grpc_address = "127.0.0.1:8001";
  std::string metrics_address = "127.0.0.1:8002";
  std::string device = "auto";
  std::string admin_address;             // empty: --grpc-address
  std::string identities;                // a file of them; empty: everybody may ask everything
  std::vector<std::string> load_models;  // with --model-control explicit: those that are loaded at the start; "*": all
  std::string trusted_digests;           // a list of SHA-256 digests: no other file is loaded; empty: every file may be
  std::string state_dir;                 // empty: nothing is kept from one run to the next
  std::string port_file;
  tls::Files tls;  // no certificate: plain text
  double optimize_budget_seconds = 10;
  int64_t max_queue_size = 1024;
  int64_t max_queue_rows = 0;  // of a model; 0: any number, as all these
  int64_t max_queue_mib = 0;
  int64_t max_requests_per_model = 0;  // in flight
  int64_t max_mib_per_model = 0;
  int64_t max_streams_per_model = 0;
  int64_t max_requests_per_client = 0;
  int64_t max_mib_per_client = 0;
  int64_t max_streams_per_client = 0;
  double stateful_stream_timeout_seconds = 0;  // 0: idle streams are not ended
  int64_t max_stateful_streams = 256;          // of a version
  double stateful_stream_idle_seconds = 600;
  int64_t max_message_mib = 64;
  double keepalive_seconds = 60;  // 0: clients are not pinged
  double keepalive_timeout_seconds = 20;
  double keepalive_min_interval_seconds = 5;  // of the pings of a client
  double max_connection_idle_seconds = 300;   // 0: for ever, as the next
  double max_connection_age_seconds = 0;
  double max_connection_age_grace_seconds = 600;
  int64_t memory_budget_mib = 0;  // 0: a quarter of the memory that may be used
  double send_timeout_seconds = 60;
  double forward_timeout_seconds = 300;  // of one forward pass, where a model's configuration does not say
  double load_timeout_seconds = 600;     // of loading a version, likewise
  double drain_timeout_seconds = 30;
  double shutdown_delay_seconds = 0;
  double watch_interval_seconds = 5;
  double device_probe_interval_seconds = 5;
  unsigned unix_socket_mode = 0600;
  int grpc_threads = 0;  // 0: one for each four processors of the cgroup's quota
  int busy_poll_microseconds = 100;
  int workers = 0;                   // 0: one for each processor of the cgroup's quota
  int intra_op_threads = 1;          // of each worker
  int max_connections = 0;           // to --grpc-address; 0: by the descriptors that this process may have
  int max_connections_per_peer = 0;  // 0: nine of ten of these
  int max_streams_per_connection = 1024;
  int max_ping_strikes = 2;
  int load_threads = 2;       // versions that are loaded at the same time
  int max_stuck_threads = 8;  // workers, and loaders, that others take the place of
  registry::ReadinessPolicy readiness = registry::ReadinessPolicy::kAny;
  base::LogFormat log_format = base::LogFormat::kText;
  base::LogLevel log_level = base::LogLevel::kInfo;
  bool optimize = true;  // models whose configuration does not say are tuned when they are loaded
  bool deterministic = false;
  bool reflection = false;
  bool enable_admin = false;
  bool closed_health = false;  // with identities: health asks for one, too
  bool insecure_admin = false;
  bool watch = false;
  bool tunes_store = false;          // --tune: the models of `model_store` are tuned, and nothing is served
  bool loads_by_call_alone = false;  // --model-control explicit
  bool exit_on_stuck = false;
  bool exit_on_device_loss = false;
  bool trust_model_code = false;
  bool torchscript = true;
  bool follow_links_out_of_store = false;
  bool checks_store = false;      // --check: what a server would make of `model_store` is said, and nothing is served
  bool check_loads = false;       // with that: each version is loaded, too
  bool check_load_memory = true;  // a version whose loading needs more memory than there is fails before it is read
  tls::ClientAuth tls_client_auth = tls::ClientAuth::kNone;
  // Of --metrics-address: none: plain text; with TLS clients may have to show a certificate.
  std::optional<tls::ClientAuth> metrics_tls;
};

// Whether `model` is one of those that are loaded at the start.
bool LoadsAtStart(const ServerFlags& flags, const std::string& model);

// The flags, or the exit code when the program should end at once (after --help, --version, or an error that was
// printed: 2). `device_types` are those that --device may name.
std::variant<ServerFlags, int> ParseFlags(int argc, char** argv, const std::vector<std::string>& device_types);

}  // namespace torchferry::app
