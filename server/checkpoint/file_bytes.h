// Reads storages that lie in a file uncompressed, one after the other.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "server/checkpoint/checkpoint.h"
#include "server/checkpoint/file.h"

namespace torchferry::checkpoint {

class FileBytes final : public StorageBytes {
 public:
  // `offsets`: for each storage, from the file's begin.
  FileBytes(std::shared_ptr<const File> file, std::vector<uint64_t> offsets)
      : file_(std::move(file)), offsets_(std::move(offsets)) {}

  absl::Status Read(size_t index, std::span<std::byte> out) const override { return file_->Read(offsets_[index], out); }

 private:
  const std::shared_ptr<const File> file_;
  const std::vector<uint64_t> offsets_;
};

}  // namespace torchferry::checkpoint
