// The details of a refusal beside its code and text: the limit that was met, and when to retry. They travel in the
// status, through every caller that returns it.
#pragma once

#include <absl/status/status.h>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace torchferry::base {

// `limit` is a label of torchferry_refusals_total: one of a few fixed words, never a client's text.
absl::Status WithLimit(absl::Status status, std::string_view limit);
// The limit that was met; empty: the status is not a refusal for a limit.
std::string LimitOf(const absl::Status& status);

// An earlier retry would be refused again. gRPC clients that retry wait for `pushback`.
absl::Status WithPushback(absl::Status status, std::chrono::milliseconds pushback);
std::optional<std::chrono::milliseconds> PushbackOf(const absl::Status& status);

}  // namespace torchferry::base
