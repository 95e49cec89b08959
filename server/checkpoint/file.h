// A file read by position. It is not mapped into memory. A file that is replaced or cut short during a read gives an
// error and never a SIGBUS. Pages that were read do not count as this process's memory.
#pragma once

#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "server/base/store_folder.h"

namespace torchferry::checkpoint {

// Immutable after Open. Several threads may call Read at the same time.
class File {
 public:
  // Messages call the file `display_name`: its path inside the store, never a host path. NOT_FOUND, PERMISSION_DENIED,
  // INVALID_ARGUMENT (a directory, a device), each naming it.
  static absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path, std::string display_name);
  // The file `name` of a folder of the store. It follows a link that does not leave the store (base/store_folder.h).
  // The same errors, and FAILED_PRECONDITION for a link that leaves the store.
  static absl::StatusOr<std::unique_ptr<File>> Open(const base::StoreFolder& folder, const std::string& name,
                                                    std::string display_name);
  // The same interface over bytes in memory, for tests and fuzzing.
  static std::unique_ptr<File> FromBytes(std::string bytes, std::string display_name);

  virtual ~File() = default;
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  uint64_t size() const { return size_; }
  const std::string& name() const { return name_; }
  // Device, inode, size and time of change of the opened file, whatever is under its path later. Empty for a file in
  // memory.
  const std::string& identity() const { return identity_; }
  // A path to the opened file, for callers that must open it again. Valid as long as this object lives. Empty for a
  // file in memory.
  virtual std::string open_path() const { return ""; }
  // Lower-case hex SHA-256 of exactly the bytes that Read gives. Empty unless it was computed when the file was opened
  // (verified_file.h).
  virtual std::string known_sha256() const { return ""; }

  // Fills `out` from `offset`. DATA_LOSS when the range passes the end; UNAVAILABLE when the system fails to read.
  absl::Status Read(uint64_t offset, std::span<std::byte> out) const;

 protected:
  File(std::string name, uint64_t size, std::string identity = "")
      : name_(std::move(name)), size_(size), identity_(std::move(identity)) {}
  virtual absl::Status DoRead(uint64_t offset, std::span<std::byte> out) const = 0;

 private:
  const std::string name_;
  const uint64_t size_;
  const std::string identity_;
};

// Lower-case hex SHA-256 of the whole file. After each piece `on_progress`, if given, gets the number of bytes read,
// and returns whether to go on. CANCELLED when it returned false. A known digest is not computed again.
absl::StatusOr<std::string> Sha256(const File& file, const std::function<bool(uint64_t)>& on_progress = nullptr);

}  // namespace torchferry::checkpoint
