// What a refusal says beside its code and text: the limit that was met, and when to ask again. It travels in the
// status, through whoever hands that on.
#pragma once

#include <absl/status/status.h>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace torchferry::base {

// `limit` is a label of torchferry_refusals_total: one of a few words, never a client's.
absl::Status WithLimit(absl::Status status, std::string_view limit);
// Empty: it is none for a limit.
std::string LimitOf(const absl::Status& status);

// A retry before that would be refused again: gRPC clients that retry wait so long.
absl::Status WithPushback(absl::Status status, std::chrono::milliseconds pushback);
std::optional<std::chrono::milliseconds> PushbackOf(const absl::Status& status);

}  // namespace torchferry::base
