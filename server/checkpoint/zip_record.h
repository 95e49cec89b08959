// A zip's records: little-endian numbers at fixed places.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "server/base/status.h"
#include "server/checkpoint/file.h"

namespace torchferry::checkpoint {

// The number in the `bytes` (max 8) bytes at `at`, which must be inside `record`.
inline uint64_t LittleEndian(std::string_view record, size_t at, size_t bytes) {
  uint64_t value = 0;
  for (size_t i = bytes; i-- > 0;) value = value << 8 | static_cast<uint8_t>(record[at + i]);
  return value;
}

inline absl::StatusOr<std::string> ReadRecord(const File& file, uint64_t offset, uint64_t size) {
  std::string bytes(size, '\0');
  FERRY_RETURN_IF_ERROR(file.Read(offset, std::as_writable_bytes(std::span<char>(bytes))));
  return bytes;
}

}  // namespace torchferry::checkpoint
