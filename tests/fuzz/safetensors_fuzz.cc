// Any bytes as a safetensors file: whole where they look like one, else as the header of one with 64 bytes of data,
// since a fuzzer seldom gets a length right.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "server/checkpoint/safetensors.h"

namespace {

using torchferry::checkpoint::Checkpoint;
using torchferry::checkpoint::TensorInfo;

std::string WithLength(const std::string& header) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes.push_back(static_cast<char>(header.size() >> (8 * i)));
  return bytes + header + std::string(64, '\x01');
}

// The format's rule is that the tensors cover the data once.
void Check(const Checkpoint& checkpoint, size_t file_bytes) {
  uint64_t bytes = 0;
  for (const TensorInfo& tensor : checkpoint.tensors()) {
    int64_t elements = 1;
    for (const int64_t dimension : tensor.shape) elements *= dimension;
    const uint64_t size = static_cast<uint64_t>(elements * torchferry::tensor::ByteSize(tensor.dtype));
    if (tensor.storage_offset != 0 || tensor.strides.size() != tensor.shape.size()) std::abort();
    if (size != checkpoint.storages()[tensor.storage].size_bytes) std::abort();
    bytes += size;
    std::vector<std::byte> out(size);
    if (!checkpoint.ReadStorage(tensor.storage, out).ok()) std::abort();
  }
  if (bytes > file_bytes) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string bytes(reinterpret_cast<const char*>(data), size);
  if (!torchferry::checkpoint::HasSafetensorsHeader(bytes)) bytes = WithLength(bytes);
  const size_t file_bytes = bytes.size();
  const auto checkpoint =
      torchferry::checkpoint::OpenSafetensors(torchferry::checkpoint::File::FromBytes(std::move(bytes), "fuzz"));
  if (checkpoint.ok()) Check(**checkpoint, file_bytes);
  return 0;
}
