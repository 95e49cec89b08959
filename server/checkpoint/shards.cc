#include "server/checkpoint/shards.h"

#include <algorithm>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "server/base/status.h"
#include "server/checkpoint/display.h"
#include "server/checkpoint/format.h"
#include "server/checkpoint/limits.h"

namespace torchferry::checkpoint {
namespace {

class JoinedFile final : public File {
 public:
  JoinedFile(std::vector<std::shared_ptr<const File>> files, std::string name, uint64_t size, std::string identity)
      : File(std::move(name), size, std::move(identity)), files_(std::move(files)) {}

 protected:
  absl::Status DoRead(uint64_t offset, std::span<std::byte> out) const override {
    for (const std::shared_ptr<const File>& file : files_) {
      if (out.empty()) break;
      if (offset < file->size()) {
        const auto count = static_cast<size_t>(std::min<uint64_t>(out.size(), file->size() - offset));
        FERRY_RETURN_IF_ERROR(file->Read(offset, out.first(count)));
        out = out.subspan(count);
        offset += count;
      }
      offset -= file->size();
    }
    return absl::OkStatus();
  }

 private:
  const std::vector<std::shared_ptr<const File>> files_;
};

class PartBytes final : public StorageBytes {
 public:
  explicit PartBytes(std::vector<std::unique_ptr<Checkpoint>> parts) : parts_(std::move(parts)) {
    for (size_t part = 0; part < parts_.size(); ++part) {
      for (size_t i = 0; i < parts_[part]->storages().size(); ++i) places_.emplace_back(part, i);
    }
  }

  absl::Status Read(size_t index, std::span<std::byte> out) const override {
    const auto [part, storage] = places_[index];
    return parts_[part]->ReadStorage(storage, out);
  }

 private:
  const std::vector<std::unique_ptr<Checkpoint>> parts_;
  std::vector<std::pair<size_t, size_t>> places_;
};

// A list of texts, each once.
class Texts {
 public:
  void Add(const std::vector<std::string>& texts, std::vector<std::string>& list) {
    for (const std::string& text : texts) {
      if (seen_.insert(text).second) list.push_back(text);
    }
  }

 private:
  std::unordered_set<std::string> seen_;
};

absl::StatusOr<std::unique_ptr<Checkpoint>> OpenPart(const std::shared_ptr<const File>& file) {
  FERRY_ASSIGN_OR_RETURN(const FileFormat format, Recognise(*file));
  if (format == FileFormat::kTorchScript || format == FileFormat::kExportedProgram || format == FileFormat::kShards) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                            "{} is a {}; put a state_dict or safetensors there, as the parts of a model are",
                            file->name(), Name(format));
  }
  return Checkpoint::Open(file);
}

// The parts' tensors as those of one file.
class Merger {
 public:
  explicit Merger(const std::vector<std::shared_ptr<const File>>& files) : files_(files) {}

  absl::Status Add(size_t part, const CheckpointIndex& index) {
    for (const TensorInfo& tensor : index.tensors) {
      const auto [known, is_new] = part_of_.try_emplace(tensor.key, part);
      if (!is_new) {
        return base::MakeStatus(absl::StatusCode::kDataLoss,
                                "tensor {} is in {} and in {}; the parts are not of one model: copy them again",
                                Quoted(tensor.key), files_[known->second]->name(), files_[part]->name());
      }
      result_.tensors.push_back(tensor);
      result_.tensors.back().storage += result_.storages.size();
    }
    if (result_.tensors.size() > limits::kMaxSafetensorsTensors) {
      return base::MakeStatus(absl::StatusCode::kDataLoss, "the parts hold more than {} tensors",
                              limits::kMaxSafetensorsTensors);
    }
    result_.storages.insert(result_.storages.end(), index.storages.begin(), index.storages.end());
    other_entries_.Add(index.other_entries, result_.other_entries);
    stepped_over_.Add(index.stepped_over, result_.stepped_over);
    if (result_.producer.empty()) result_.producer = index.producer;
    return absl::OkStatus();
  }

  absl::Status CheckAgainst(const ShardIndex& index) const {
    for (const auto& [tensor, part] : index.weight_map) {
      const auto found = part_of_.find(tensor);
      if (found != part_of_.end() && found->second == part) continue;
      return base::MakeStatus(absl::StatusCode::kDataLoss,
                              "{} has no tensor {}, which the index says is there; copy the index and all parts again",
                              files_[part]->name(), Quoted(tensor));
    }
    return absl::OkStatus();
  }

  CheckpointIndex Take() { return std::move(result_); }

 private:
  const std::vector<std::shared_ptr<const File>>& files_;
  std::unordered_map<std::string, size_t> part_of_;
  Texts other_entries_;
  Texts stepped_over_;
  CheckpointIndex result_;
};

}  // namespace

std::shared_ptr<const File> JoinFiles(std::vector<std::shared_ptr<const File>> files, std::string display_name) {
  uint64_t size = 0;
  std::string identity;
  for (const std::shared_ptr<const File>& file : files) {
    size += file->size();
    identity += (identity.empty() ? "" : " ") + file->identity();
  }
  return std::make_shared<JoinedFile>(std::move(files), std::move(display_name), size, std::move(identity));
}

absl::StatusOr<std::unique_ptr<Checkpoint>> OpenShards(const std::vector<std::shared_ptr<const File>>& parts,
                                                       const ShardIndex* index) {
  std::vector<std::unique_ptr<Checkpoint>> opened;
  Merger merger(parts);
  for (size_t part = 0; part < parts.size(); ++part) {
    FERRY_ASSIGN_OR_RETURN(std::unique_ptr<Checkpoint> checkpoint, OpenPart(parts[part]));
    FERRY_RETURN_IF_ERROR(merger.Add(part, checkpoint->index()));
    opened.push_back(std::move(checkpoint));
  }
  if (index != nullptr) FERRY_RETURN_IF_ERROR(merger.CheckAgainst(*index));
  return std::make_unique<Checkpoint>(merger.Take(), std::make_unique<PartBytes>(std::move(opened)));
}

}  // namespace torchferry::checkpoint
