// The JSON header of a safetensors file, read piece by piece: no document is built, so depth and
// repetition cost nothing.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace torchferry::checkpoint {

struct SafetensorsEntry {
  std::string name;
  std::string dtype;  // "F32": as written
  std::vector<int64_t> shape;
  uint64_t begin = 0;  // of its bytes, counted from the end of the header
  uint64_t end = 0;
};

struct SafetensorsHeader {
  std::vector<SafetensorsEntry> entries;  // in the order of the header
  std::vector<std::pair<std::string, std::string>> metadata;
};

// DATA_LOSS: no JSON, another structure, a name that is there twice, a number that is negative, no
// integer or out of range. What an entry means (dtype, sizes, offsets) is the caller's to check.
absl::StatusOr<SafetensorsHeader> ParseSafetensorsHeader(std::string_view json);

}  // namespace torchferry::checkpoint
