// A checkpoint's index: which tensors it holds, the file's statements about each, and where their bytes are.
//
// The reader executes nothing. It is a restricted pickle machine with an allow-list of opcodes and of the callables
// that `torch.save` writes. These are torch._utils._rebuild_tensor_v2, _rebuild_parameter, collections.OrderedDict,
// torch.Size, torch.*Storage, torch dtypes and the like. Depth, memo, items and sizes are bounded, and every offset is
// checked against the file. The reader steps over values of unknown classes and functions, unless they may be tensors.
#pragma once

#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "server/checkpoint/file.h"
#include "server/checkpoint/format.h"
#include "server/tensor/dtype.h"
#include "server/tensor/shape.h"

namespace torchferry::checkpoint {

// A block of bytes that one or several tensors use.
struct StorageInfo {
  std::string key;           // "0", "17": a zip entry's last component; legacy: an old address;
                             // safetensors: the tensor's name
  std::string saved_device;  // "cpu", "cuda:1": unchecked text of the file; empty: the format has none
  uint64_t size_bytes = 0;
};

struct TensorInfo {
  std::string key;  // full name in the state_dict: "conv1.weight"
  tensor::DType dtype = tensor::DType::kInvalid;
  tensor::Shape shape;
  std::vector<int64_t> strides;  // in elements, one for each dimension, none negative
  size_t storage = 0;            // index into Checkpoint::storages()
  int64_t storage_offset = 0;    // in elements; the whole view lies inside the storage
                                 // (views may repeat elements: stride 0, within limits.h)
  bool is_array = false;         // a NumPy array, whose storage is the file's pickle
};

// A dict inside a checkpoint that has tensors as direct values.
struct NestedDict {
  std::string key;  // "model_state_dict", "ema.model"
  size_t tensors = 0;
};

// An object inside a checkpoint, of a class that the reader does not know.
struct HeldObject {
  std::string key;
  std::string made_by;  // "models.Net"
  size_t tensors = 0;   // that it holds
};

// The content of a checkpoint's outermost dict, before one of its dicts is chosen.
struct CheckpointOutline {
  bool is_flat = false;             // it is a state_dict itself
  size_t tensors = 0;               // its direct values
  std::vector<NestedDict> dicts;    // in the order of the file, up to four levels deep
  std::vector<HeldObject> objects;  // values of the outermost dict that hold tensors
  std::vector<std::string> keys;    // of the outermost dict
};

// Returns which dict is the state_dict: a NestedDict's key, or "" for the outermost.
using DictChooser = std::function<absl::StatusOr<std::string>(const CheckpointOutline&)>;

struct CheckpointIndex {
  // The tensors of the chosen dict, in the order of the file.
  std::vector<TensorInfo> tensors;
  std::vector<StorageInfo> storages;
  // Keys whose values are not tensors (numbers, strings, None), in the order of the file.
  std::vector<std::string> other_entries;
  // Unknown classes and functions that the file refers to, "functools.partial", in the order of the file. Values made
  // by them are no tensors, and none of their code was run.
  std::vector<std::string> stepped_over;
  // "PyTorch" when the file has torch.save's layout. A safetensors header may state it.
  std::string producer;
  std::string passport;       // text of the metadata "torchferry", unchanged; empty: none
  std::string key;            // of the chosen dict; empty for the outermost
  bool is_lightning = false;  // PyTorch Lightning left its version beside the state_dict
};

// Reads the bytes of the storages. Thread-safe.
class StorageBytes {
 public:
  virtual ~StorageBytes() = default;
  // `index` is one into CheckpointIndex::storages; `out` has that storage's size.
  virtual absl::Status Read(size_t index, std::span<std::byte> out) const = 0;
};

// Immutable after Open; thread-safe.
class Checkpoint {
 public:
  // Reads the index of a checkpoint (zip, legacy or safetensors), for the dict that `choose` names. Without `choose`
  // the outermost dict must be the state_dict. A state_dict is a dict or OrderedDict from str to tensor. It may also
  // have `_metadata` and entries that are no tensors.
  // DATA_LOSS: damaged or hostile. INVALID_ARGUMENT: sound but not servable as it is. This covers a whole-model pickle,
  // a tensor that needs code of its own, a bare tensor, and big-endian, quantised or sparse tensors. It also covers a
  // nested training checkpoint without `choose`; the message lists the keys that hold dicts of tensors. For a
  // whole-model pickle the message names the classes and both ways out: save the state_dict, or torch.jit.script it.
  static absl::StatusOr<std::unique_ptr<Checkpoint>> Open(std::shared_ptr<const File> file,
                                                          const DictChooser& choose = nullptr);

  Checkpoint(CheckpointIndex index, std::unique_ptr<const StorageBytes> bytes)
      : index_(std::move(index)), bytes_(std::move(bytes)) {}

  const CheckpointIndex& index() const { return index_; }
  const std::vector<TensorInfo>& tensors() const { return index_.tensors; }
  const std::vector<StorageInfo>& storages() const { return index_.storages; }

  // Copies a storage's bytes into `out`, whose size is storages()[index].size_bytes. Compressed entries are inflated.
  // DATA_LOSS when the bytes are missing.
  absl::Status ReadStorage(size_t index, std::span<std::byte> out) const;

 private:
  const CheckpointIndex index_;
  const std::unique_ptr<const StorageBytes> bytes_;
};

}  // namespace torchferry::checkpoint
