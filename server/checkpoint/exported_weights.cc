#include "server/checkpoint/exported_weights.h"

#include <set>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "server/base/status.h"
#include "server/checkpoint/display.h"
#include "server/checkpoint/entry_bytes.h"
#include "server/checkpoint/exported_archive.h"
#include "server/checkpoint/exported_fields.h"
#include "server/checkpoint/exported_graph_json.h"
#include "server/checkpoint/exported_signature.h"
#include "server/checkpoint/limits.h"
#include "server/checkpoint/tensor_view.h"
#include "server/checkpoint/torch_types.h"

namespace torchferry::checkpoint {
namespace {

absl::StatusOr<int64_t> KnownCount(const JsonValue& value, std::string_view what) {
  FERRY_ASSIGN_OR_RETURN(const Union size, ReadUnion(value));
  if (size.tag != "as_int" || size.value->kind != JsonValue::Kind::kInt || size.value->integer < 0) {
    return base::MakeStatus(absl::StatusCode::kDataLoss, "its {} is no count", what);
  }
  return size.value->integer;
}

absl::StatusOr<tensor::DType> ServedDType(const ExportedTensor& meta) {
  const TorchDType* dtype = FindTorchDType(meta.dtype);
  if (dtype == nullptr || dtype->dtype == tensor::DType::kInvalid) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                            "is of dtype torch.{}, which is not served; convert the model before torch.export.export, "
                            "with model.float() for example",
                            meta.dtype);
  }
  return dtype->dtype;
}

class WeightsReader {
 public:
  explicit WeightsReader(const ZipArchive& archive) : archive_(archive) { index_.producer = "PyTorch"; }

  // The tensors that the entry `config` lists, whose bytes are below `folder`.
  absl::Status Add(const std::string& config, const std::string& folder) {
    FERRY_ASSIGN_OR_RETURN(const JsonValue document, ReadJsonEntry(archive_, config));
    absl::StatusOr<const JsonValue*> list = Field(document, "config", JsonValue::Kind::kObject);
    if (!list.ok()) return base::Annotate(list.status(), config);
    for (const JsonValue& payload : (*list)->items) {
      const absl::Status added = AddTensor(payload, folder);
      if (!added.ok()) return base::Annotate(added, fmt::format("tensor {}", Quoted(payload.key)));
    }
    return absl::OkStatus();
  }

  CheckpointIndex TakeIndex() { return std::move(index_); }
  std::vector<uint64_t> TakeEntries() { return std::move(entries_); }

 private:
  absl::Status AddTensor(const JsonValue& payload, const std::string& folder) {
    TensorInfo tensor;
    FERRY_ASSIGN_OR_RETURN(tensor.key, ReadTensorKey(payload.key));
    if (!keys_.insert(tensor.key).second) return absl::DataLossError("is a weight and a constant of the program");
    FERRY_RETURN_IF_ERROR(CheckPlain(payload));
    FERRY_ASSIGN_OR_RETURN(const JsonValue* described, Field(payload, "tensor_meta", JsonValue::Kind::kObject));
    FERRY_ASSIGN_OR_RETURN(const ExportedTensor meta, ReadTensorMeta(*described));
    if (meta.layout != "strided") {
      return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                              "is sparse (torch.{}), which is not served; make it dense with .to_dense() before "
                              "torch.export.export",
                              meta.layout);
    }
    FERRY_ASSIGN_OR_RETURN(tensor.dtype, ServedDType(meta));
    FERRY_RETURN_IF_ERROR(ReadView(*described, meta, tensor));
    FERRY_ASSIGN_OR_RETURN(const std::string path, NameField(payload, "path_name"));
    FERRY_ASSIGN_OR_RETURN(tensor.storage, StorageAt(folder, path, meta.device));
    FERRY_RETURN_IF_ERROR(views_.Check(tensor, index_.storages[tensor.storage]));
    index_.tensors.push_back(std::move(tensor));
    return absl::OkStatus();
  }

  static absl::Status CheckPlain(const JsonValue& payload) {
    FERRY_ASSIGN_OR_RETURN(const JsonValue* use_pickle, Field(payload, "use_pickle", JsonValue::Kind::kBool));
    if (use_pickle->integer == 0) return absl::OkStatus();
    const JsonValue* meta = payload.Find("tensor_meta");
    if (meta == nullptr || meta->kind == JsonValue::Kind::kNull) {
      return absl::InvalidArgumentError(
          "is a pickled object (TorchBind), which is not served; export the model without it, with tensors in its "
          "place");
    }
    return absl::InvalidArgumentError(
        "is pickled, as tensors of a subclass are (torchao, DTensor, …), and these are not served; export the model "
        "with plain tensors");
  }

  static absl::Status ReadView(const JsonValue& described, const ExportedTensor& meta, TensorInfo& tensor) {
    for (const ExportedSize& size : meta.sizes) {
      if (!size.known.has_value()) return absl::DataLossError("has a size that is not known");
      tensor.shape.push_back(*size.known);
    }
    FERRY_ASSIGN_OR_RETURN(const JsonValue* strides, Field(described, "strides", JsonValue::Kind::kList));
    if (strides->items.size() != tensor.shape.size()) {
      return base::MakeStatus(absl::StatusCode::kDataLoss, "has {} sizes and {} strides", tensor.shape.size(),
                              strides->items.size());
    }
    for (const JsonValue& item : strides->items) {
      FERRY_ASSIGN_OR_RETURN(const int64_t stride, KnownCount(item, "stride"));
      tensor.strides.push_back(stride);
    }
    FERRY_ASSIGN_OR_RETURN(const JsonValue* offset, Field(described, "storage_offset", JsonValue::Kind::kObject));
    FERRY_ASSIGN_OR_RETURN(tensor.storage_offset, KnownCount(*offset, "storage offset"));
    return absl::OkStatus();
  }

  absl::StatusOr<size_t> StorageAt(const std::string& folder, const std::string& path, const std::string& device) {
    const std::string name = folder + path;
    const auto [known, is_new] = storages_.try_emplace(name, index_.storages.size());
    if (!is_new) {
      const std::string& first = index_.storages[known->second].saved_device;
      if (first == device) return known->second;
      return base::MakeStatus(absl::StatusCode::kDataLoss, "its storage {} is said to be on {} and on {}", Quoted(path),
                              Quoted(first), Quoted(device));
    }
    const ZipEntry* entry = archive_.Find(name);
    if (entry == nullptr) {
      return base::MakeStatus(absl::StatusCode::kDataLoss,
                              "its storage {} has no entry in the archive; download or copy the file again",
                              Quoted(name));
    }
    devices_.insert(device);
    if (devices_.size() > limits::kMaxSavedDevices) {
      return base::MakeStatus(absl::StatusCode::kDataLoss, "the weights are on more than {} devices, this one on {}",
                              limits::kMaxSavedDevices, Quoted(device));
    }
    index_.storages.push_back({path, device, entry->size_bytes});
    entries_.push_back(static_cast<uint64_t>(entry - archive_.entries().data()));
    return known->second;
  }

  const ZipArchive& archive_;
  CheckpointIndex index_;
  std::vector<uint64_t> entries_;                     // of each storage
  std::unordered_map<std::string, size_t> storages_;  // by entry
  std::unordered_set<std::string> keys_;
  std::set<std::string> devices_;
  ViewChecker views_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Checkpoint>> ReadRawWeights(std::shared_ptr<const ZipArchive> archive,
                                                           const std::string& program) {
  WeightsReader reader(*archive);
  FERRY_RETURN_IF_ERROR(reader.Add(fmt::format("data/weights/{}_weights_config.json", program), "data/weights/"));
  FERRY_RETURN_IF_ERROR(reader.Add(fmt::format("data/constants/{}_constants_config.json", program), "data/constants/"));
  return std::make_unique<Checkpoint>(reader.TakeIndex(),
                                      std::make_unique<EntryBytes>(std::move(archive), reader.TakeEntries()));
}

}  // namespace torchferry::checkpoint
