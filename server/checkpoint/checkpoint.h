// A checkpoint's index: which tensors it holds, what the file says of each, and where their bytes lie.
//
// The reader executes nothing: a restricted pickle machine with an allow-list of the opcodes and of the callables that
// `torch.save` writes (torch._utils._rebuild_tensor_v2, _rebuild_parameter, collections.OrderedDict, torch.Size,
// torch.*Storage, torch dtypes and the like), with caps on depth, memo, items and sizes, and with every offset checked
// against the file. A class that it does not know is refused with its full name.
#pragma once

#include <absl/status/statusor.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/checkpoint/file.h"
#include "server/checkpoint/format.h"
#include "server/tensor/dtype.h"
#include "server/tensor/shape.h"

namespace torchferry {

// A block of bytes that one or several tensors look into.
struct StorageInfo {
  std::string key;           // "0", "17": a zip entry's last component; legacy: an old address
  std::string saved_device;  // "cpu", "cuda:1": only what the file says
  uint64_t size_bytes = 0;
};

struct TensorInfo {
  std::string key;  // full name in the state_dict: "conv1.weight"
  DType dtype = DType::kInvalid;
  Shape shape;
  std::vector<int64_t> strides;  // in elements, one for each dimension, none negative
  size_t storage = 0;            // index into Checkpoint::storages()
  int64_t storage_offset = 0;    // in elements; the whole view lies inside the storage
                                 // (views may repeat elements: stride 0, within limits.h)
};

// Immutable after Open; thread-safe.
class Checkpoint {
 public:
  // Reads the index of a checkpoint (zip or legacy) that holds a flat state_dict: a dict or OrderedDict from str to tensor, its
  // `_metadata` and entries that are no tensors aside (those are listed in `other_entries`).
  // DATA_LOSS: damaged or hostile. INVALID_ARGUMENT: sound but not servable as it is: a whole-model pickle (the message
  // names the classes and both ways out: save the state_dict, or torch.jit.script it), a bare tensor, a nested training
  // checkpoint (the message lists the keys that hold dicts of tensors), big-endian, quantised or sparse tensors.
  static absl::StatusOr<std::unique_ptr<Checkpoint>> Open(std::shared_ptr<const File> file);
  // The same for the dict under `key` of a nested checkpoint: "model_state_dict", "ema.model"; "" is the root.
  // INVALID_ARGUMENT when there is no such key; the message lists those there are.
  static absl::StatusOr<std::unique_ptr<Checkpoint>> Open(std::shared_ptr<const File> file,
                                                          std::string_view key);

  virtual ~Checkpoint() = default;

  // In the order of the file.
  virtual const std::vector<TensorInfo>& tensors() const = 0;
  virtual const std::vector<StorageInfo>& storages() const = 0;
  // Keys whose values are not tensors (numbers, strings, None), in the order of the file.
  virtual const std::vector<std::string>& other_entries() const = 0;
  // "PyTorch" when the archive has torch.save's layout; with the version where the file says it.
  virtual const std::string& producer() const = 0;

  // Copies a storage's bytes into `out`, whose size is storages()[index].size_bytes. Compressed entries are inflated.
  // DATA_LOSS when the bytes are not there.
  virtual absl::Status ReadStorage(size_t index, std::span<std::byte> out) const = 0;
};

}  // namespace torchferry
