#include "server/rpc/predict/flights.h"

#include "server/base/refusal.h"
#include "server/base/status.h"

namespace torchferry::rpc {
namespace {

// What one of the three limits is called.
struct Names {
  const char* label;      // of torchferry_refusals_total
  const char* what;       // is in flight
  const char* flag;       // of the server
  const char* parameter;  // of a model's configuration; empty: there is none
};

constexpr Names kRequestsOfModel = {"model_requests", "requests", "--max-requests-per-model", "max_requests_in_flight"};
constexpr Names kBytesOfModel = {"model_bytes", "bytes of requests", "--max-mib-per-model", "max_mib_in_flight"};
constexpr Names kStreamsOfModel = {"model_streams", "streams", "--max-streams-per-model", "max_streams"};
constexpr Names kRequestsOfClient = {"client_requests", "requests", "--max-requests-per-client", ""};
constexpr Names kBytesOfClient = {"client_bytes", "bytes of requests", "--max-mib-per-client", ""};
constexpr Names kStreamsOfClient = {"client_streams", "streams", "--max-streams-per-client", ""};

absl::Status Exceeded(FlightOf whose, const std::string& name, const Names& names, int64_t load, int64_t more,
                      int64_t limit) {
  const bool is_model = whose == FlightOf::kModel;
  return base::WithLimit(
      base::MakeStatus(absl::StatusCode::kResourceExhausted,
                       "{}{}{} has {} {} in flight, and this would add {}; the limit is {} ({}{}{}): {}",
                       is_model ? "model \"" : "the client, ", name, is_model ? "\"" : ",", load, names.what, more,
                       limit, is_model ? "parameter " : "", names.parameter,
                       is_model ? std::string(" or ") + names.flag : std::string(names.flag),
                       load == 0 ? "send less at a time" : "wait for answers before asking for more"),
      names.label);
}

}  // namespace

absl::Status CheckFlight(FlightOf whose, const std::string& name, const serving::FlightLimits& limits,
                         const FlightLoad& load, const FlightLoad& more) {
  const bool is_model = whose == FlightOf::kModel;
  struct Row {
    const Names& names;
    int64_t limit;
    int64_t load;
    int64_t more;
  };
  for (const Row& row :
       {Row{is_model ? kRequestsOfModel : kRequestsOfClient, limits.requests, load.requests, more.requests},
        Row{is_model ? kBytesOfModel : kBytesOfClient, limits.bytes, load.bytes, more.bytes},
        Row{is_model ? kStreamsOfModel : kStreamsOfClient, limits.streams, load.streams, more.streams}}) {
    if (row.limit > 0 && row.more > 0 && row.load + row.more > row.limit) {
      return Exceeded(whose, name, row.names, row.load, row.more, row.limit);
    }
  }
  return absl::OkStatus();
}

Flights::Place& Flights::Place::operator=(Place&& other) noexcept {
  if (this != &other) {
    Leave();
    flights_ = std::exchange(other.flights_, nullptr);
    key_ = std::move(other.key_);
    load_ = other.load_;
  }
  return *this;
}

void Flights::Place::Leave() {
  Flights* const flights = std::exchange(flights_, nullptr);
  if (flights == nullptr) return;
  base::MutexLock lock(flights->mutex_);
  const auto found = flights->loads_.find(key_);
  FlightLoad& left = found->second;
  left.requests -= load_.requests;
  left.bytes -= load_.bytes;
  left.streams -= load_.streams;
  if (left == FlightLoad{}) flights->loads_.erase(found);
}

absl::StatusOr<Flights::Place> Flights::Enter(FlightOf whose, const std::string& name,
                                              const serving::FlightLimits& limits, const FlightLoad& load) {
  Place place;
  place.key_ = {whose, name};
  place.load_ = load;
  base::MutexLock lock(mutex_);
  const auto found = loads_.find(place.key_);
  FERRY_RETURN_IF_ERROR(CheckFlight(whose, name, limits, found == loads_.end() ? FlightLoad{} : found->second, load));
  FlightLoad& all = found == loads_.end() ? loads_[place.key_] : found->second;
  all.requests += load.requests;
  all.bytes += load.bytes;
  all.streams += load.streams;
  place.flights_ = this;
  return place;
}

size_t Flights::size() const {
  base::MutexLock lock(mutex_);
  return loads_.size();
}

}  // namespace torchferry::rpc
