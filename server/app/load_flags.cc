#include "server/app/load_flags.h"

#include "server/app/flag_options.h"

namespace torchferry::app {
namespace {

constexpr int64_t kMostLoad = int64_t{1} << 32;
constexpr int kMibBits = 20;

// 0 is no limit.
void AddCount(CLI::App& app, const std::string& flag, int64_t& value, const std::string& help) {
  AddFlag(app, flag, value, help + "; 0: any number")->check(CLI::Range(int64_t{0}, kMostLoad));
}

}  // namespace

void AddLoadFlags(CLI::App& app, ServerFlags& flags) {
  AddFlag(app, "--max-queue-size", flags.max_queue_size, "Requests of a model that may wait; more get UNAVAILABLE")
      ->check(CLI::Range(int64_t{1}, kMostLoad));
  AddCount(app, "--max-queue-rows", flags.max_queue_rows,
           "Rows of such requests, where parameter max_queue_rows of the model does not say");
  AddCount(app, "--max-queue-mib", flags.max_queue_mib,
           "MiB of such requests' inputs, where parameter max_queue_mib does not say");
  AddCount(app, "--max-requests-per-model", flags.max_requests_per_model,
           "Requests of a model in flight, where parameter max_requests_in_flight does not say; more get "
           "RESOURCE_EXHAUSTED, as below");
  AddCount(app, "--max-mib-per-model", flags.max_mib_per_model,
           "MiB of such requests' inputs, where parameter max_mib_in_flight does not say");
  AddCount(app, "--max-streams-per-model", flags.max_streams_per_model,
           "Streams that have asked a model and have not ended, where parameter max_streams does not say");
  AddCount(app, "--max-requests-per-client", flags.max_requests_per_client,
           "Requests of a client in flight; a client is an identity or, without one, a host");
  AddCount(app, "--max-mib-per-client", flags.max_mib_per_client, "MiB of such requests' inputs");
  AddCount(app, "--max-streams-per-client", flags.max_streams_per_client, "Streams of a client that are open");
}

serving::FlightLimits ClientLimitsOf(const ServerFlags& flags) {
  return {.requests = flags.max_requests_per_client,
          .bytes = flags.max_mib_per_client << kMibBits,
          .streams = flags.max_streams_per_client};
}

serving::FlightLimits ModelLimitsOf(const ServerFlags& flags) {
  return {.requests = flags.max_requests_per_model,
          .bytes = flags.max_mib_per_model << kMibBits,
          .streams = flags.max_streams_per_model};
}

}  // namespace torchferry::app
