// Reads storages that are entries of a zip.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "server/checkpoint/checkpoint.h"
#include "server/checkpoint/zip.h"

namespace torchferry::checkpoint {

class EntryBytes final : public StorageBytes {
 public:
  // `entries`: for each storage, its index in archive->entries().
  EntryBytes(std::shared_ptr<const ZipArchive> archive, std::vector<uint64_t> entries)
      : archive_(std::move(archive)), entries_(std::move(entries)) {}

  absl::Status Read(size_t index, std::span<std::byte> out) const override {
    return archive_->Read(archive_->entries()[entries_[index]], out);
  }

 private:
  const std::shared_ptr<const ZipArchive> archive_;
  const std::vector<uint64_t> entries_;
};

}  // namespace torchferry::checkpoint
