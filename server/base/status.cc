#include "server/base/status.h"

namespace torchferry {

absl::Status Annotate(const absl::Status& status, std::string_view prefix) {
  if (status.ok()) return status;
  return absl::Status(status.code(), fmt::format("{}: {}", prefix, MessageOf(status)));
}

}  // namespace torchferry
