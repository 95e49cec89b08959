#include "server/checkpoint/checkpoint.h"

#include "server/base/status.h"
#include "server/checkpoint/content_kind.h"
#include "server/checkpoint/legacy_checkpoint.h"
#include "server/checkpoint/safetensors.h"
#include "server/checkpoint/zip_checkpoint.h"

namespace torchferry::checkpoint {

absl::StatusOr<std::unique_ptr<Checkpoint>> Checkpoint::Open(std::shared_ptr<const File> file,
                                                             const DictChooser& choose) {
  FERRY_ASSIGN_OR_RETURN(const std::string head, ReadHead(*file));
  if (HasLegacyMagic(head)) return OpenLegacyCheckpoint(std::move(file), choose);
  if (HasSafetensorsHeader(head)) return OpenSafetensors(std::move(file));
  return OpenZipCheckpoint(std::move(file), choose);
}

absl::Status Checkpoint::ReadStorage(size_t index, std::span<std::byte> out) const {
  if (index >= index_.storages.size() || out.size() != index_.storages[index].size_bytes) {
    return base::MakeStatus(absl::StatusCode::kInternal, "storage {} of {} into {} bytes", index,
                            index_.storages.size(), out.size());
  }
  return bytes_->Read(index, out);
}

}  // namespace torchferry::checkpoint
