#include "server/checkpoint/checkpoint.h"

#include <utility>

#include "server/base/status.h"
#include "server/checkpoint/archive_pickle.h"
#include "server/checkpoint/legacy_checkpoint.h"
#include "server/checkpoint/refusal.h"
#include "server/checkpoint/state_dict.h"
#include "server/checkpoint/storage_table.h"
#include "server/checkpoint/zip.h"

namespace torchferry {
namespace {

class ZipCheckpoint final : public Checkpoint {
 public:
  ZipCheckpoint(std::unique_ptr<ZipArchive> archive, StateDict state_dict,
                const StorageTable& storages)
      : archive_(std::move(archive)),
        tensors_(std::move(state_dict.tensors)),
        storages_(storages.storages()),
        places_(storages.places()),
        other_entries_(std::move(state_dict.other_entries)) {}

  const std::vector<TensorInfo>& tensors() const override { return tensors_; }
  const std::vector<StorageInfo>& storages() const override { return storages_; }
  const std::vector<std::string>& other_entries() const override { return other_entries_; }
  // torch.save writes its archive's version, but not PyTorch's.
  const std::string& producer() const override { return producer_; }

  absl::Status ReadStorage(size_t index, std::span<std::byte> out) const override {
    if (index >= places_.size()) {
      return MakeStatus(absl::StatusCode::kInternal, "storage {} of {}", index, places_.size());
    }
    return archive_->Read(archive_->entries()[places_[index]], out);
  }

 private:
  const std::unique_ptr<ZipArchive> archive_;
  const std::vector<TensorInfo> tensors_;
  const std::vector<StorageInfo> storages_;
  const std::vector<uint64_t> places_;  // of each storage, in archive_->entries()
  const std::vector<std::string> other_entries_;
  const std::string producer_ = "PyTorch";
};

absl::StatusOr<std::unique_ptr<Checkpoint>> ReadIndex(std::unique_ptr<ZipArchive> archive,
                                                      std::string_view key) {
  TF_RETURN_IF_ERROR(CheckByteOrder(*archive));
  TF_ASSIGN_OR_RETURN(const std::unique_ptr<ArchivePickle> pickle,
                      ReadArchivePickle(*archive, "data.pkl", CheckpointGlobals(), RefuseForeign));
  TF_ASSIGN_OR_RETURN(const PickleRef dict, FindEntry(pickle->tree, key));
  const ZipStorages source(*archive, "data");
  StorageTable storages(source);
  TensorRebuilder rebuilder(pickle->tree, storages);
  TF_ASSIGN_OR_RETURN(StateDict state_dict, ReadStateDict(pickle->tree, dict, rebuilder));
  return std::make_unique<ZipCheckpoint>(std::move(archive), std::move(state_dict), storages);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Checkpoint>> Checkpoint::Open(std::shared_ptr<const File> file) {
  return Open(std::move(file), "");
}

absl::StatusOr<std::unique_ptr<Checkpoint>> Checkpoint::Open(std::shared_ptr<const File> file,
                                                             std::string_view key) {
  TF_ASSIGN_OR_RETURN(const bool is_legacy, IsLegacyCheckpoint(*file));
  if (is_legacy) return OpenLegacyCheckpoint(std::move(file), key);
  TF_ASSIGN_OR_RETURN(std::unique_ptr<ZipArchive> archive, ZipArchive::Open(file));
  absl::StatusOr<std::unique_ptr<Checkpoint>> checkpoint = ReadIndex(std::move(archive), key);
  if (!checkpoint.ok()) return Annotate(checkpoint.status(), file->name());
  return checkpoint;
}

}  // namespace torchferry
