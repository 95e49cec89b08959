#include "server/app/load_flags.h"

#include "server/app/flag_options.h"

namespace torchferry::app {
namespace {

constexpr int64_t kMaxLoad = int64_t{1} << 32;
constexpr int kMibBits = 20;

// 0 is no limit.
void AddCount(CLI::App& app, const std::string& flag, int64_t& value, const std::string& help) {
  AddFlag(app, flag, value, help + "; 0: any number")->check(CLI::Range(int64_t{0}, kMaxLoad));
}

}  // namespace

void AddLoadFlags(CLI::App& app, ServerFlags& flags) {
  AddFlag(app, "--max-queue-size", flags.max_queue_size, "Max requests of a model that wait; more get UNAVAILABLE")
      ->check(CLI::Range(int64_t{1}, kMaxLoad));
  AddCount(app, "--max-queue-rows", flags.max_queue_rows,
           "Max rows of the waiting requests. The model's parameter max_queue_rows overrides it");
  AddCount(app, "--max-queue-mib", flags.max_queue_mib,
           "Max MiB of the waiting requests' inputs. The model's parameter max_queue_mib overrides it");
  AddCount(app, "--max-requests-per-model", flags.max_requests_per_model,
           "Max requests of a model in flight; more get RESOURCE_EXHAUSTED. The model's parameter "
           "max_requests_in_flight overrides it");
  AddCount(app, "--max-mib-per-model", flags.max_mib_per_model,
           "Max MiB of the inputs of a model's requests in flight; more get RESOURCE_EXHAUSTED. The model's parameter "
           "max_mib_in_flight overrides it");
  AddCount(app, "--max-streams-per-model", flags.max_streams_per_model,
           "Max open streams that have sent a request to a model; more get RESOURCE_EXHAUSTED. The model's parameter "
           "max_streams overrides it");
  AddCount(app, "--max-requests-per-client", flags.max_requests_per_client,
           "Max requests of a client in flight; more get RESOURCE_EXHAUSTED. A client is an identity or, without one, "
           "a host");
  AddCount(app, "--max-mib-per-client", flags.max_mib_per_client, "MiB of such requests' inputs");
  AddCount(app, "--max-streams-per-client", flags.max_streams_per_client, "Max open streams of a client");
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
