// PyTorch's names for storages and dtypes, as pickles spell them.
#pragma once

#include <cstdint>
#include <string_view>

#include "server/tensor/dtype.h"

namespace torchferry::checkpoint {

struct StorageType {
  std::string_view name;  // "FloatStorage"
  tensor::DType dtype;    // kInvalid for UntypedStorage (bytes) and for types that the server does not have
  int64_t item_bytes;
};

struct TorchDType {
  std::string_view name;  // "float32"
  tensor::DType dtype;    // kInvalid: PyTorch has it, the server does not
};

// Null for an unknown name.
const StorageType* FindStorageType(std::string_view module, std::string_view name);
const TorchDType* FindTorchDType(std::string_view name);

}  // namespace torchferry::checkpoint
