#include "server/checkpoint/storage_table.h"

#include <utility>

#include "server/base/status.h"
#include "server/checkpoint/display.h"

namespace torchferry {
namespace {

// The parts of a persistent id, types checked.
struct StorageId {
  const StorageType* type = nullptr;
  std::string_view key;
  std::string_view device;
  int64_t numel = 0;
};

absl::StatusOr<StorageId> ParseId(const PickleTree& tree, const PickleNode& persistent) {
  const auto malformed = [](std::string_view what) {
    return MakeStatus(absl::StatusCode::kDataLoss, "a storage's persistent id {}", what);
  };
  const PickleNode& id = tree[persistent.items[0]];
  if (id.kind != PickleKind::kTuple || id.items.size() < 5) {
    return malformed("is not a tuple of 5 values");
  }
  const PickleNode& tag = tree[id.items[0]];
  if (tag.kind != PickleKind::kString || tag.text != "storage") {
    return malformed("does not begin with 'storage'");
  }
  const PickleNode& type = tree[id.items[1]];
  StorageId parsed;
  if (type.kind == PickleKind::kGlobal) parsed.type = FindStorageType(type.text, type.name);
  if (parsed.type == nullptr) return malformed("names no storage type");
  const PickleNode& key = tree[id.items[2]];
  const PickleNode& device = tree[id.items[3]];
  const PickleNode& numel = tree[id.items[4]];
  if (key.kind != PickleKind::kString || device.kind != PickleKind::kString) {
    return malformed("has a key or a device that is no string");
  }
  if (!IsCleanUtf8(key.text) || !IsCleanUtf8(device.text)) {
    return malformed("has a key or a device that is not clean text");
  }
  if (numel.kind != PickleKind::kInt || numel.integer < 0) {
    return malformed("has a number of elements that is no count");
  }
  parsed.key = key.text;
  parsed.device = device.text;
  parsed.numel = numel.integer;
  return parsed;
}

}  // namespace

absl::StatusOr<StorageTable::Use> StorageTable::Resolve(const PickleTree& tree,
                                                        const PickleNode& persistent) {
  if (persistent.kind != PickleKind::kPersistent) {
    return MakeStatus(absl::StatusCode::kDataLoss, "a tensor's storage is a {}",
                      Name(persistent.kind));
  }
  TF_ASSIGN_OR_RETURN(const StorageId id, ParseId(tree, persistent));
  TF_ASSIGN_OR_RETURN(const size_t index, Add(id.key, id.device));
  const StorageInfo& storage = storages_[index];
  if (storage.saved_device != id.device) {
    return MakeStatus(absl::StatusCode::kDataLoss, "storage {} is said to be on {} and on {}",
                      Quoted(id.key), Quoted(storage.saved_device), Quoted(id.device));
  }
  uint64_t bytes = 0;
  const bool too_large = __builtin_mul_overflow(static_cast<uint64_t>(id.numel),
                                                static_cast<uint64_t>(id.type->item_bytes), &bytes);
  if (too_large || bytes != storage.size_bytes) {
    return MakeStatus(absl::StatusCode::kDataLoss,
                      "storage {} is said to hold {} elements of torch.{}, and its entry has {} "
                      "bytes",
                      Quoted(id.key), id.numel, id.type->name, storage.size_bytes);
  }
  return Use{index, id.type};
}

absl::StatusOr<size_t> StorageTable::Add(std::string_view key, std::string_view device) {
  const auto [known, is_new] = by_key_.try_emplace(std::string(key), storages_.size());
  if (!is_new) return known->second;
  const ZipEntry* entry = archive_.Find(fmt::format("{}/{}", folder_, key));
  if (entry == nullptr) {
    return MakeStatus(absl::StatusCode::kDataLoss,
                      "storage {} has no entry in the archive; download or copy the file again",
                      Quoted(fmt::format("{}/{}", folder_, key)));
  }
  storages_.push_back({std::string(key), std::string(device), entry->size_bytes});
  entries_.push_back(entry);
  return known->second;
}

}  // namespace torchferry
