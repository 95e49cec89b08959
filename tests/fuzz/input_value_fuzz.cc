// Any bytes as an input of the command line: a .npy file, or JSON. An array has as many bytes as its shape says.
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string_view>

#include "client/tensor/json_array.h"
#include "client/tensor/npy.h"

namespace {

using torchferry::client::Array;
using torchferry::tensor::DType;

void Require(bool is_so) {
  if (!is_so) std::abort();
}

void CheckArray(const Array& array) {
  size_t bytes = torchferry::tensor::ByteSize(array.dtype);
  bool is_empty = false;
  for (const int64_t dimension : array.shape) {
    Require(dimension >= 0);
    is_empty = is_empty || dimension == 0;
    bytes *= static_cast<size_t>(dimension);
  }
  Require(is_empty ? array.data.empty() : array.data.size() == bytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (const auto array = torchferry::client::ParseNpy(bytes); array.ok()) {
    CheckArray(*array);
    const auto formatted = torchferry::client::FormatNpy(*array);
    Require(!formatted.ok() || torchferry::client::ParseNpy(*formatted).ok());
  }
  for (const std::optional<DType> dtype :
       {std::optional<DType>(), std::optional(DType::kFp16), std::optional(DType::kInt8)}) {
    const auto array = torchferry::client::ParseJsonArray(bytes, dtype);
    if (!array.ok()) continue;
    CheckArray(*array);
    Require(torchferry::client::ParseJsonArray(torchferry::client::ToJson(*array).dump(), dtype).ok());
  }
  return 0;
}
