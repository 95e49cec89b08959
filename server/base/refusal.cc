#include "server/base/refusal.h"

#include <charconv>

namespace torchferry::base {
namespace {

constexpr char kLimit[] = "torchferry/limit";
constexpr char kPushback[] = "torchferry/pushback-ms";

}  // namespace

absl::Status WithLimit(absl::Status status, std::string_view limit) {
  status.SetPayload(kLimit, absl::Cord(std::string(limit)));
  return status;
}

std::string LimitOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kLimit);
  return payload.has_value() ? std::string(*payload) : std::string();
}

absl::Status WithPushback(absl::Status status, std::chrono::milliseconds pushback) {
  status.SetPayload(kPushback, absl::Cord(std::to_string(pushback.count())));
  return status;
}

std::optional<std::chrono::milliseconds> PushbackOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kPushback);
  if (!payload.has_value()) return std::nullopt;
  const std::string text(*payload);
  int64_t count = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), count).ec != std::errc()) return std::nullopt;
  return std::chrono::milliseconds(count);
}

}  // namespace torchferry::base
