// The storages that a file's tensors refer to, each once, checked against the file's content.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "server/checkpoint/checkpoint.h"
#include "server/checkpoint/pickle_value.h"
#include "server/checkpoint/torch_types.h"
#include "server/checkpoint/zip.h"

namespace torchferry::checkpoint {

// A storage's persistent id: ('storage', torch.FloatStorage, "0", "cuda:0", numel[, view]).
struct StorageId {
  const StorageType* type = nullptr;
  std::string_view key;
  std::string_view device;
  int64_t numel = 0;
  uint64_t size_bytes = 0;
};

// DATA_LOSS: an id of another form. INVALID_ARGUMENT: a view of another storage, which PyTorch before 0.4 could write.
absl::StatusOr<StorageId> ReadStorageId(const PickleTree& tree, const PickleNode& persistent);

// Finds the bytes of a file's storages.
class StorageSource {
 public:
  struct Place {
    uint64_t at = 0;  // the source's own number for reading them
    uint64_t size_bytes = 0;
  };

  virtual ~StorageSource() = default;
  // DATA_LOSS when the file has no storage of that key.
  virtual absl::StatusOr<Place> Find(std::string_view key) const = 0;
};

// Entries of a zip below a folder, "data" or "constants". A place is an index into entries(). The archive must outlive
// it.
class ZipStorages final : public StorageSource {
 public:
  ZipStorages(const ZipArchive& archive, std::string folder) : archive_(archive), folder_(std::move(folder)) {}
  absl::StatusOr<Place> Find(std::string_view key) const override;

 private:
  const ZipArchive& archive_;
  const std::string folder_;
};

// For one thread. The trees and the source must outlive it.
class StorageTable {
 public:
  explicit StorageTable(const StorageSource& source) : source_(source) {}

  struct Use {
    size_t index = 0;                   // into storages()
    const StorageType* type = nullptr;  // its type in this reference: references may differ
  };

  // Reads a persistent id (ReadStorageId). The same key gives the same index. DATA_LOSS: a storage that is missing or
  // has another size, or references that disagree.
  absl::StatusOr<Use> Resolve(const PickleTree& tree, const PickleNode& persistent);

  // Adds a storage for the value at `ref`, whose bytes the pickle has. The same value gives the same storage. DATA_LOSS
  // when all these bytes exceed the max of limits.h.
  absl::StatusOr<size_t> AddBytes(PickleRef ref, std::string bytes);

  const std::vector<StorageInfo>& storages() const { return storages_; }
  // Place::at of the source, for each storage.
  const std::vector<uint64_t>& places() const { return places_; }
  // Gives the reader of all storages; `file` reads those that have a place in the file. Call it once: it moves the
  // other bytes out.
  std::unique_ptr<const StorageBytes> BytesWith(std::unique_ptr<const StorageBytes> file);

 private:
  absl::StatusOr<size_t> Add(std::string_view key, std::string_view device);

  const StorageSource& source_;
  std::vector<StorageInfo> storages_;
  std::vector<uint64_t> places_;
  std::unordered_map<std::string, size_t> by_key_;
  std::set<std::string, std::less<>> devices_;
  std::unordered_map<PickleRef, size_t> by_value_;
  std::unordered_map<size_t, std::string> bytes_;  // of the storages without a place
  uint64_t bytes_in_all_ = 0;
};

}  // namespace torchferry::checkpoint
