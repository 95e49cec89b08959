// Counts the load in flight of each model and each client, within their limits.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "server/base/mutex.h"
#include "server/serving/flight_limits.h"

namespace torchferry::rpc {

// The load in flight, or the load of one request or stream.
struct FlightLoad {
  int64_t requests = 0;
  int64_t bytes = 0;
  int64_t streams = 0;
  bool operator==(const FlightLoad&) const = default;
};

enum class FlightOf : uint8_t { kModel, kClient };

// OK if `more` may be in flight beside `load`. Otherwise RESOURCE_EXHAUSTED, with the limit that it meets
// (base/refusal.h), both numbers and what can be done. `name` is the model's, or the client's ("identity alice"). Pure.
absl::Status CheckFlight(FlightOf whose, const std::string& name, const serving::FlightLimits& limits,
                         const FlightLoad& load, const FlightLoad& more);

// Thread-safe. It keeps only the models and clients that have something in flight.
class Flights {
 public:
  // A place that is taken until this object is destroyed. Empty: no place is taken.
  class Place {
   public:
    Place() = default;
    ~Place() { Leave(); }
    Place(Place&& other) noexcept { *this = std::move(other); }
    Place& operator=(Place&& other) noexcept;
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    void Leave();

   private:
    friend class Flights;
    Flights* flights_ = nullptr;
    std::pair<FlightOf, std::string> key_;
    FlightLoad load_;
  };

  Flights() = default;
  Flights(const Flights&) = delete;
  Flights& operator=(const Flights&) = delete;

  // Takes a place for `load`, or returns CheckFlight's error. The place must be destroyed before the Flights.
  absl::StatusOr<Place> Enter(FlightOf whose, const std::string& name, const serving::FlightLimits& limits,
                              const FlightLoad& load);
  size_t size() const;  // models and clients that have something in flight

 private:
  using Key = std::pair<FlightOf, std::string>;

  mutable base::Mutex mutex_;
  std::map<Key, FlightLoad> loads_ FERRY_GUARDED_BY(mutex_);
};

}  // namespace torchferry::rpc
