#include "server/http/listen_address.h"

#include <charconv>

#include "server/base/status.h"

namespace torchferry::http {

absl::StatusOr<ListenAddress> ParseListenAddress(std::string_view text) {
  const auto invalid = [&] {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                            "HTTP address \"{}\" is not HOST:PORT, such as 127.0.0.1:8002 or [::]:8002", text);
  };
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return invalid();
  std::string_view host = text.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  } else if (host.find_first_of(":[]") != std::string_view::npos) {
    return invalid();  // IPv6 without brackets would be ambiguous
  }
  const std::string_view digits = text.substr(colon + 1);
  ListenAddress address{std::string(host), 0};
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), address.port);
  if (error != std::errc() || end != digits.data() + digits.size()) return invalid();
  return address;
}

}  // namespace torchferry::http
