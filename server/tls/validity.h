// When a certificate may be used, and how near its end is. Dates are arguments.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace torchferry::tls {

using Date = std::chrono::sys_seconds;

struct Validity {
  Date not_before{};
  Date not_after{};
};

enum class Age : uint8_t { kNotYet, kValid, kEndsSoon, kExpired };

// kEndsSoon: in the last fifth of its time, or its last 14 days where that is less. A usual renewal comes before that.
Age AgeOf(const Validity& validity, Date now);

// "2027-01-31T12:00:00Z".
std::string ToText(Date date);

}  // namespace torchferry::tls
