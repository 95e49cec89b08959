#include "client/commands/model_ref.h"

#include <charconv>

#include "server/base/status.h"

namespace torchferry::client {

absl::StatusOr<ModelRef> ParseModelRef(std::string_view text) {
  const size_t colon = text.rfind(':');
  ModelRef ref{std::string(text.substr(0, colon)), 0};
  if (ref.name.empty()) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument, "\"{}\" is not MODEL or MODEL:VERSION", text);
  }
  if (colon == std::string_view::npos) return ref;
  const std::string_view digits = text.substr(colon + 1);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), ref.version);
  if (error != std::errc() || end != digits.data() + digits.size() || ref.version < 1) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                            "version \"{}\" in \"{}\" is not a positive whole number", digits, text);
  }
  return ref;
}

}  // namespace torchferry::client
