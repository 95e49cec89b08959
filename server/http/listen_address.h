// HOST:PORT, as flags write it.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace torchferry::http {

struct ListenAddress {
  std::string host;  // an IPv6 address without its brackets
  uint16_t port = 0;
};

// INVALID_ARGUMENT when it is not an address.
absl::StatusOr<ListenAddress> ParseListenAddress(std::string_view text);

}  // namespace torchferry::http
