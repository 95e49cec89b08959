#include "server/checkpoint/zip_checkpoint.h"

#include <utility>

#include "server/base/status.h"
#include "server/checkpoint/archive_pickle.h"
#include "server/checkpoint/entry_bytes.h"
#include "server/checkpoint/refusal.h"
#include "server/checkpoint/state_dict.h"
#include "server/checkpoint/storage_table.h"
#include "server/checkpoint/zip.h"

namespace torchferry::checkpoint {
namespace {

absl::StatusOr<std::unique_ptr<Checkpoint>> ReadIndex(std::unique_ptr<ZipArchive> archive, const DictChooser& choose) {
  FERRY_RETURN_IF_ERROR(CheckByteOrder(*archive));
  FERRY_ASSIGN_OR_RETURN(const std::unique_ptr<ArchivePickle> pickle,
                         ReadArchivePickle(*archive, "data.pkl", CheckpointGlobals(), JudgeCheckpoint));
  const ZipStorages source(*archive, "data");
  StorageTable storages(source);
  FERRY_ASSIGN_OR_RETURN(CheckpointIndex index, ReadStateDict(pickle->tree, choose, storages));
  return std::make_unique<Checkpoint>(
      std::move(index), storages.BytesWith(std::make_unique<EntryBytes>(std::move(archive), storages.places())));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Checkpoint>> OpenZipCheckpoint(std::shared_ptr<const File> file,
                                                              const DictChooser& choose) {
  FERRY_ASSIGN_OR_RETURN(std::unique_ptr<ZipArchive> archive, ZipArchive::Open(file));
  absl::StatusOr<std::unique_ptr<Checkpoint>> checkpoint = ReadIndex(std::move(archive), choose);
  if (!checkpoint.ok()) return base::Annotate(checkpoint.status(), file->name());
  return checkpoint;
}

}  // namespace torchferry::checkpoint
