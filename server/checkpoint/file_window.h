// Gives a part of a file as a file.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "server/checkpoint/file.h"

namespace torchferry::checkpoint {

class FileWindow final : public File {
 public:
  // The range of `offset` and `size` must lie inside `file`.
  FileWindow(std::shared_ptr<const File> file, uint64_t offset, uint64_t size, std::string name)
      : File(std::move(name), size), file_(std::move(file)), offset_(offset) {}

 protected:
  absl::Status DoRead(uint64_t offset, std::span<std::byte> out) const override {
    return file_->Read(offset_ + offset, out);
  }

 private:
  const std::shared_ptr<const File> file_;
  const uint64_t offset_;
};

}  // namespace torchferry::checkpoint
