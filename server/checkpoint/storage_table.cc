#include "server/checkpoint/storage_table.h"

#include <algorithm>
#include <span>
#include <utility>

#include "server/base/status.h"
#include "server/checkpoint/display.h"
#include "server/checkpoint/limits.h"

namespace torchferry::checkpoint {
namespace {

class BytesInMemory final : public StorageBytes {
 public:
  BytesInMemory(std::unique_ptr<const StorageBytes> others, std::unordered_map<size_t, std::string> bytes)
      : others_(std::move(others)), bytes_(std::move(bytes)) {}

  absl::Status Read(size_t index, std::span<std::byte> out) const override {
    const auto found = bytes_.find(index);
    if (found == bytes_.end()) return others_->Read(index, out);
    std::ranges::copy(std::as_bytes(std::span(found->second)), out.begin());
    return absl::OkStatus();
  }

 private:
  const std::unique_ptr<const StorageBytes> others_;
  const std::unordered_map<size_t, std::string> bytes_;
};

absl::Status Malformed(std::string_view what) {
  return base::MakeStatus(absl::StatusCode::kDataLoss, "a storage's persistent id {}", what);
}

// All but size_bytes. `id` is a tuple of 5 values or more.
absl::StatusOr<StorageId> ReadFields(const PickleTree& tree, const PickleNode& id) {
  const PickleNode& tag = tree[id.items[0]];
  if (tag.kind != PickleKind::kString || tag.text != "storage") return Malformed("does not begin with 'storage'");
  const PickleNode& type = tree[id.items[1]];
  const PickleNode& key = tree[id.items[2]];
  const PickleNode& device = tree[id.items[3]];
  const PickleNode& numel = tree[id.items[4]];
  StorageId fields;
  if (type.kind == PickleKind::kGlobal) fields.type = FindStorageType(type.text, type.name);
  if (fields.type == nullptr) return Malformed("names no storage type");
  if (key.kind != PickleKind::kString || device.kind != PickleKind::kString) {
    return Malformed("has a key or a device that is no string");
  }
  if (!IsCleanUtf8(key.text) || !IsCleanUtf8(device.text)) {
    return Malformed("has a key or a device that is not clean text");
  }
  // Each storage has a copy of it.
  if (device.text.size() > limits::kMaxDeviceBytes) return Malformed("has a device whose name is too long");
  if (numel.kind != PickleKind::kInt || numel.integer < 0) {
    return Malformed("has a number of elements that is no count");
  }
  fields.key = key.text;
  fields.device = device.text;
  fields.numel = numel.integer;
  return fields;
}

absl::StatusOr<uint64_t> SizeOf(const StorageId& id) {
  uint64_t bytes = 0;
  if (__builtin_mul_overflow(static_cast<uint64_t>(id.numel), static_cast<uint64_t>(id.type->item_bytes), &bytes)) {
    return base::MakeStatus(absl::StatusCode::kDataLoss,
                            "storage {} is said to hold {} elements of torch.{}, more than any file", Quoted(id.key),
                            id.numel, id.type->name);
  }
  return bytes;
}

}  // namespace

absl::StatusOr<StorageId> ReadStorageId(const PickleTree& tree, const PickleNode& persistent) {
  const PickleNode& id = tree[persistent.items[0]];
  if (id.kind != PickleKind::kTuple || id.items.size() < 5) return Malformed("is not a tuple of 5 values");
  FERRY_ASSIGN_OR_RETURN(StorageId parsed, ReadFields(tree, id));
  FERRY_ASSIGN_OR_RETURN(parsed.size_bytes, SizeOf(parsed));
  if (id.items.size() > 5 && tree[id.items[5]].kind != PickleKind::kNone) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                            "storage {} is a view of another storage and is not read; load the file in Python and save "
                            "it with PyTorch 1.6 or later",
                            Quoted(parsed.key));
  }
  return parsed;
}

absl::StatusOr<StorageTable::Use> StorageTable::Resolve(const PickleTree& tree, const PickleNode& persistent) {
  if (persistent.kind != PickleKind::kPersistent) {
    return base::MakeStatus(absl::StatusCode::kDataLoss, "a tensor's storage is a {}", Name(persistent.kind));
  }
  FERRY_ASSIGN_OR_RETURN(const StorageId id, ReadStorageId(tree, persistent));
  FERRY_ASSIGN_OR_RETURN(const size_t index, Add(id.key, id.device));
  const StorageInfo& storage = storages_[index];
  if (storage.saved_device != id.device) {
    return base::MakeStatus(absl::StatusCode::kDataLoss, "storage {} is said to be on {} and on {}", Quoted(id.key),
                            Quoted(storage.saved_device), Quoted(id.device));
  }
  if (id.size_bytes != storage.size_bytes) {
    return base::MakeStatus(absl::StatusCode::kDataLoss,
                            "storage {} is said to hold {} elements of torch.{}, and the file has {} "
                            "bytes of it",
                            Quoted(id.key), id.numel, id.type->name, storage.size_bytes);
  }
  return Use{index, id.type};
}

absl::StatusOr<size_t> StorageTable::Add(std::string_view key, std::string_view device) {
  const auto [known, is_new] = by_key_.try_emplace(std::string(key), storages_.size());
  if (!is_new) return known->second;
  devices_.emplace(device);
  if (devices_.size() > limits::kMaxSavedDevices) {
    return base::MakeStatus(absl::StatusCode::kDataLoss, "its storages are on more than {} devices, storage {} on {}",
                            limits::kMaxSavedDevices, Quoted(key), Quoted(device));
  }
  FERRY_ASSIGN_OR_RETURN(const StorageSource::Place place, source_.Find(key));
  storages_.push_back({std::string(key), std::string(device), place.size_bytes});
  places_.push_back(place.at);
  return known->second;
}

absl::StatusOr<size_t> StorageTable::AddBytes(PickleRef ref, std::string bytes) {
  const auto [known, is_new] = by_value_.try_emplace(ref, storages_.size());
  if (!is_new) return known->second;
  bytes_in_all_ += bytes.size();
  if (bytes_in_all_ > limits::kMaxArrayBytes) {
    return base::MakeStatus(absl::StatusCode::kDataLoss,
                            "the file's NumPy arrays take more than {} bytes, which is as many as are read; save "
                            "tensors: torch.save({{k: torch.as_tensor(v) for k, v in state_dict.items()}}, path)",
                            limits::kMaxArrayBytes);
  }
  storages_.push_back({fmt::format("array {}", ref), "", bytes.size()});
  places_.push_back(0);
  bytes_.emplace(known->second, std::move(bytes));
  return known->second;
}

std::unique_ptr<const StorageBytes> StorageTable::BytesWith(std::unique_ptr<const StorageBytes> file) {
  if (bytes_.empty()) return file;
  return std::make_unique<BytesInMemory>(std::move(file), std::move(bytes_));
}

absl::StatusOr<StorageSource::Place> ZipStorages::Find(std::string_view key) const {
  const std::string name = fmt::format("{}/{}", folder_, key);
  const ZipEntry* entry = archive_.Find(name);
  if (entry == nullptr) {
    return base::MakeStatus(absl::StatusCode::kDataLoss,
                            "storage {} has no entry in the archive; download or copy the file again", Quoted(name));
  }
  return Place{static_cast<uint64_t>(entry - archive_.entries().data()), entry->size_bytes};
}

}  // namespace torchferry::checkpoint
