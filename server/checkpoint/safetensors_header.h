// The JSON header of a safetensors file, read piece by piece. No document is built, so depth and repetition take no
// memory.
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
  std::string dtype;  // "F32": as in the file
  std::vector<int64_t> shape;
  uint64_t begin = 0;  // of the tensor's bytes, counted from the end of the header
  uint64_t end = 0;
};

struct SafetensorsHeader {
  std::vector<SafetensorsEntry> entries;  // in the order of the header
  std::vector<std::pair<std::string, std::string>> metadata;
};

// DATA_LOSS: no JSON, another structure, a name that occurs twice, or a number that is negative, no integer or out of
// range. The caller checks the meaning of an entry (dtype, sizes, offsets).
absl::StatusOr<SafetensorsHeader> ParseSafetensorsHeader(std::string_view json);

}  // namespace torchferry::checkpoint
