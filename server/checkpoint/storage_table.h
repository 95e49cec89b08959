// The storages that an archive's tensors refer to, each once, checked against the archive's
// entries.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <unordered_map>
#include <vector>

#include "server/checkpoint/checkpoint.h"
#include "server/checkpoint/pickle_value.h"
#include "server/checkpoint/torch_types.h"
#include "server/checkpoint/zip.h"

namespace torchferry {

// One thread. Refers to the tree and the archive, which must outlive it.
class StorageTable {
 public:
  // `folder`: where the archive keeps their bytes, "data" or "constants".
  StorageTable(const ZipArchive& archive, std::string folder)
      : archive_(archive), folder_(std::move(folder)) {}

  struct Use {
    size_t index = 0;                   // into storages()
    const StorageType* type = nullptr;  // what this reference calls it: references may differ
  };

  // Reads the persistent id ('storage', torch.FloatStorage, "0", "cuda:0", numel). The same key
  // gives the same index. DATA_LOSS: another shape of id, an entry that is missing or has another
  // size, references that disagree.
  absl::StatusOr<Use> Resolve(const PickleTree& tree, const PickleNode& persistent);

  const std::vector<StorageInfo>& storages() const { return storages_; }
  // The entry of each storage.
  const std::vector<const ZipEntry*>& entries() const { return entries_; }

 private:
  absl::StatusOr<size_t> Add(std::string_view key, std::string_view device);

  const ZipArchive& archive_;
  const std::string folder_;
  std::vector<StorageInfo> storages_;
  std::vector<const ZipEntry*> entries_;
  std::unordered_map<std::string, size_t> by_key_;
};

}  // namespace torchferry
