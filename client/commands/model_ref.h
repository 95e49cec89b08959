// MODEL[:VERSION], as users write it.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace torchferry::client {

struct ModelRef {
  std::string name;
  int64_t version = 0;  // 0: the newest that is READY
};

// INVALID_ARGUMENT when the name is empty, or the text after the last colon is not a version.
absl::StatusOr<ModelRef> ParseModelRef(std::string_view text);

}  // namespace torchferry::client
