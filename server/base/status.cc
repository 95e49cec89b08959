#include "server/base/status.h"

#include <absl/strings/cord.h>
#include <absl/strings/string_view.h>

namespace torchferry::base {

absl::Status Annotate(const absl::Status& status, std::string_view prefix) {
  if (status.ok()) return status;
  absl::Status annotated(status.code(), fmt::format("{}: {}", prefix, MessageOf(status)));
  status.ForEachPayload(
      [&](absl::string_view type, const absl::Cord& payload) { annotated.SetPayload(type, payload); });
  return annotated;
}

}  // namespace torchferry::base
