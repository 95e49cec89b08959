#include "server/tls/validity.h"

#include <fmt/chrono.h>

#include <algorithm>

namespace torchferry::tls {

Age AgeOf(const Validity& validity, Date now) {
  if (now < validity.not_before) return Age::kNotYet;
  if (now > validity.not_after) return Age::kExpired;
  const std::chrono::seconds notice =
      std::min<std::chrono::seconds>((validity.not_after - validity.not_before) / 5, std::chrono::days(14));
  return validity.not_after - now < notice ? Age::kEndsSoon : Age::kValid;
}

std::string ToText(Date date) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::chrono::system_clock::to_time_t(date)));
}

}  // namespace torchferry::tls
