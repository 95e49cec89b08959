// The times at which requests of an open loop are due. They do not depend on earlier requests.
#pragma once

#include <chrono>
#include <cstdint>
#include <random>

namespace torchferry::client {

enum class ArrivalKind {
  kConstant,  // evenly spaced
  kPoisson,   // independent of each other, like requests of many users
};

class Arrivals {
 public:
  // `rate`: requests a second on average, above 0. `seed` is for kPoisson.
  Arrivals(ArrivalKind kind, double rate, uint64_t seed);

  // The time from the start at which the next request is due. It is never before the last one.
  std::chrono::nanoseconds Next();

 private:
  const ArrivalKind kind_;
  const double rate_;
  std::mt19937_64 random_;
  std::exponential_distribution<double> gap_;  // seconds
  uint64_t count_ = 0;
  double seconds_ = 0;  // for kPoisson
};

}  // namespace torchferry::client
