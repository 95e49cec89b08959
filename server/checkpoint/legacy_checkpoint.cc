#include "server/checkpoint/legacy_checkpoint.h"

#include <algorithm>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "server/base/status.h"
#include "server/checkpoint/archive_pickle.h"
#include "server/checkpoint/display.h"
#include "server/checkpoint/file_bytes.h"
#include "server/checkpoint/foreign_value.h"
#include "server/checkpoint/limits.h"
#include "server/checkpoint/refusal.h"
#include "server/checkpoint/state_dict.h"
#include "server/checkpoint/storage_table.h"

namespace torchferry::checkpoint {
namespace {

using std::string_view_literals::operator""sv;

constexpr uint64_t kCountBytes = 8;  // before each storage: how many elements it has
constexpr int64_t kVersion = 1001;
// PROTO and FRAME, which newer pickle protocols write, come first.
constexpr size_t kProtoBytes = 2;
constexpr size_t kFrameBytes = 9;
// LONG1 of 10 bytes: torch.serialization.MAGIC_NUMBER = 0x1950a86a20f9469cfc6c.
constexpr std::string_view kMagic = "\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"sv;

// The pickles, read one after another.
class PickleSequence {
 public:
  explicit PickleSequence(const File& file) : file_(file) {}

  absl::StatusOr<std::unique_ptr<ArchivePickle>> Next(std::string_view what, uint64_t max_bytes) {
    FERRY_ASSIGN_OR_RETURN(std::unique_ptr<ArchivePickle> pickle,
                           ReadFilePickle(file_, position_, max_bytes, what, CheckpointGlobals(), JudgeCheckpoint));
    position_ += pickle->tree.consumed;
    return pickle;
  }
  // Of the first byte behind the last pickle.
  uint64_t position() const { return position_; }

 private:
  const File& file_;
  uint64_t position_ = 0;
};

absl::Status CheckVersion(const PickleTree& tree) {
  const PickleNode& version = tree[tree.root];
  if (version.kind == PickleKind::kInt && version.integer == kVersion) return absl::OkStatus();
  return base::MakeStatus(absl::StatusCode::kDataLoss, "does not say version {} of the legacy torch.save format",
                          kVersion);
}

absl::Status CheckSystem(const PickleTree& tree) {
  const absl::StatusOr<PickleRef> little = FindEntry(tree, "little_endian");
  if (!little.ok() || tree[*little].kind != PickleKind::kBool) {
    return absl::DataLossError("does not say which byte order it was saved with");
  }
  if (tree[*little].integer != 0) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "was saved with byte order \"big\"; only little-endian files are read: in Python, on a little-endian "
      "machine, torch.save(torch.load(\"model.pt\"), \"model.pt\")");
}

// Where the storages lie: they follow the list of their keys in its order, and only the object's
// persistent ids say how large an element is.
class LegacyStorages final : public StorageSource {
 public:
  absl::StatusOr<Place> Find(std::string_view key) const override {
    const auto found = places_.find(key);
    if (found == places_.end()) {
      return base::MakeStatus(absl::StatusCode::kDataLoss, "storage {} is not in the file's list of storages",
                              Quoted(key));
    }
    return found->second;
  }

  // `object` and `keys` must outlive this. `position`: of the first storage.
  absl::Status Locate(const File& file, const PickleTree& object, const PickleTree& keys, uint64_t position) {
    FERRY_RETURN_IF_ERROR(CollectIds(object));
    const PickleNode& list = keys[keys.root];
    if (list.kind != PickleKind::kList) {
      return base::MakeStatus(absl::StatusCode::kDataLoss, "the list of storages is a {}", Name(list.kind));
    }
    for (const PickleRef ref : list.items) {
      if (keys[ref].kind != PickleKind::kString) {
        return base::MakeStatus(absl::StatusCode::kDataLoss, "the list of storages holds a {}", Name(keys[ref].kind));
      }
      FERRY_RETURN_IF_ERROR(LocateOne(file, keys[ref].text, position));
    }
    return absl::OkStatus();
  }

 private:
  // The first id of a storage is the one whose elements are counted, as in torch.load; that the
  // others agree is checked where they are used.
  absl::Status CollectIds(const PickleTree& object) {
    for (const PickleNode& node : object.nodes) {
      if (node.kind != PickleKind::kPersistent || IsClassWithSource(object, node)) continue;
      FERRY_ASSIGN_OR_RETURN(const StorageId id, ReadStorageId(object, node));
      ids_.try_emplace(id.key, id);
    }
    return absl::OkStatus();
  }

  absl::Status LocateOne(const File& file, std::string_view key, uint64_t& position) {
    const auto found = ids_.find(key);
    if (found == ids_.end()) {
      return base::MakeStatus(absl::StatusCode::kDataLoss, "nothing refers to storage {} of its list", Quoted(key));
    }
    const StorageId& id = found->second;
    if (file.size() - position < kCountBytes) return BreaksOff(file, id, position);
    std::string bytes(kCountBytes, '\0');
    FERRY_RETURN_IF_ERROR(file.Read(position, std::as_writable_bytes(std::span<char>(bytes))));
    uint64_t count = 0;
    for (size_t i = kCountBytes; i-- > 0;) count = count << 8 | static_cast<uint8_t>(bytes[i]);
    if (count != static_cast<uint64_t>(id.numel)) {
      return base::MakeStatus(absl::StatusCode::kDataLoss,
                              "storage {} is said to hold {} elements, and {} where its bytes are", Quoted(key),
                              id.numel, count);
    }
    position += kCountBytes;
    if (file.size() - position < id.size_bytes) return BreaksOff(file, id, position);
    if (!places_.try_emplace(found->first, Place{position, id.size_bytes}).second) {
      return base::MakeStatus(absl::StatusCode::kDataLoss, "storage {} is listed twice", Quoted(key));
    }
    position += id.size_bytes;
    return absl::OkStatus();
  }

  static absl::Status BreaksOff(const File& file, const StorageId& id, uint64_t position) {
    return base::MakeStatus(absl::StatusCode::kDataLoss,
                            "breaks off at byte {}: storage {} wants {} bytes from byte {}; download or "
                            "copy the file again",
                            file.size(), Quoted(id.key), id.size_bytes, position);
  }

  std::unordered_map<std::string_view, StorageId> ids_;  // the texts are the object's
  std::unordered_map<std::string_view, Place> places_;
};

absl::StatusOr<std::unique_ptr<Checkpoint>> ReadIndex(std::shared_ptr<const File> file, const DictChooser& choose) {
  using Pickle = std::unique_ptr<ArchivePickle>;
  PickleSequence pickles(*file);
  // The caller has seen that the first holds the magic number.
  FERRY_RETURN_IF_ERROR(pickles.Next("the magic number", limits::kMaxLegacyHeaderBytes).status());
  FERRY_ASSIGN_OR_RETURN(const Pickle version, pickles.Next("the format's version", limits::kMaxLegacyHeaderBytes));
  FERRY_RETURN_IF_ERROR(CheckVersion(version->tree));
  FERRY_ASSIGN_OR_RETURN(const Pickle system, pickles.Next("the system's description", limits::kMaxLegacyHeaderBytes));
  FERRY_RETURN_IF_ERROR(CheckSystem(system->tree));
  FERRY_ASSIGN_OR_RETURN(const Pickle object, pickles.Next("the object's pickle", limits::kMaxPickleBytes));
  if (IsForeign(object->tree, object->tree[object->tree.root])) return RefuseObjects(object->tree);
  FERRY_ASSIGN_OR_RETURN(const Pickle keys, pickles.Next("the list of storages", limits::kMaxPickleBytes));
  LegacyStorages source;
  FERRY_RETURN_IF_ERROR(source.Locate(*file, object->tree, keys->tree, pickles.position()));
  StorageTable storages(source);
  FERRY_ASSIGN_OR_RETURN(CheckpointIndex index, ReadStateDict(object->tree, choose, storages));
  return std::make_unique<Checkpoint>(
      std::move(index), storages.BytesWith(std::make_unique<FileBytes>(std::move(file), storages.places())));
}

}  // namespace

bool HasLegacyMagic(std::string_view head) {
  if (!head.starts_with('\x80') || head.size() < kProtoBytes) return false;
  head.remove_prefix(kProtoBytes);
  if (head.starts_with('\x95')) head.remove_prefix(std::min(kFrameBytes, head.size()));
  return head.starts_with(kMagic);
}

absl::StatusOr<std::unique_ptr<Checkpoint>> OpenLegacyCheckpoint(std::shared_ptr<const File> file,
                                                                 const DictChooser& choose) {
  absl::StatusOr<std::unique_ptr<Checkpoint>> checkpoint = ReadIndex(file, choose);
  if (!checkpoint.ok()) return base::Annotate(checkpoint.status(), file->name());
  return checkpoint;
}

}  // namespace torchferry::checkpoint
