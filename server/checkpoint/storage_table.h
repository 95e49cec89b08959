// The storages that a file's tensors refer to, each once, checked against what the file holds.
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

// DATA_LOSS: another shape of id. INVALID_ARGUMENT: a view of another storage, which PyTorch before
// 0.4 could write.
absl::StatusOr<StorageId> ReadStorageId(const PickleTree& tree, const PickleNode& persistent);

// Where a file keeps the bytes of its storages.
class StorageSource {
 public:
  struct Place {
    uint64_t at = 0;  // what the source wants to be told to read them
    uint64_t size_bytes = 0;
  };

  virtual ~StorageSource() = default;
  // DATA_LOSS when the file has none of that key.
  virtual absl::StatusOr<Place> Find(std::string_view key) const = 0;
};

// Entries of a zip below a folder, "data" or "constants"; a place is an index into entries().
// Refers to the archive.
class ZipStorages final : public StorageSource {
 public:
  ZipStorages(const ZipArchive& archive, std::string folder) : archive_(archive), folder_(std::move(folder)) {}
  absl::StatusOr<Place> Find(std::string_view key) const override;

 private:
  const ZipArchive& archive_;
  const std::string folder_;
};

// One thread. Refers to the tree and the source, which must outlive it.
class StorageTable {
 public:
  explicit StorageTable(const StorageSource& source) : source_(source) {}

  struct Use {
    size_t index = 0;                   // into storages()
    const StorageType* type = nullptr;  // what this reference calls it: references may differ
  };

  // Reads a persistent id (ReadStorageId). The same key gives the same index. DATA_LOSS: a storage
  // that is missing or has another size, references that disagree.
  absl::StatusOr<Use> Resolve(const PickleTree& tree, const PickleNode& persistent);

  // A storage of its own for the value at `ref`, whose bytes the pickle has; for the same value the same one. DATA_LOSS
  // when all of them take more than limits.h allows.
  absl::StatusOr<size_t> AddBytes(PickleRef ref, std::string bytes);

  const std::vector<StorageInfo>& storages() const { return storages_; }
  // Where each storage's bytes are: Place::at of the source.
  const std::vector<uint64_t>& places() const { return places_; }
  // What reads them all: `file` those that have a place in it.
  std::unique_ptr<const StorageBytes> BytesWith(std::unique_ptr<const StorageBytes> file);

 private:
  absl::StatusOr<size_t> Add(std::string_view key, std::string_view device);

  const StorageSource& source_;
  std::vector<StorageInfo> storages_;
  std::vector<uint64_t> places_;
  std::unordered_map<std::string, size_t> by_key_;
  std::set<std::string, std::less<>> devices_;
  std::unordered_map<PickleRef, size_t> by_value_;
  std::unordered_map<size_t, std::string> bytes_;  // of the storages that have no place
  uint64_t bytes_in_all_ = 0;
};

}  // namespace torchferry::checkpoint
