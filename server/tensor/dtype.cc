#include "server/tensor/dtype.h"

#include <array>
#include <string>

#include "server/base/status.h"

namespace torchferry::tensor {
namespace {

struct Row {
  DType dtype;
  int64_t bytes;
  std::string_view name;
  std::string_view torch_name;
  bool floating;
};

constexpr std::array<Row, 18> kRows = {{
    {DType::kBool, 1, "BOOL", "torch.bool", false},
    {DType::kUint8, 1, "UINT8", "torch.uint8", false},
    {DType::kUint16, 2, "UINT16", "torch.uint16", false},
    {DType::kUint32, 4, "UINT32", "torch.uint32", false},
    {DType::kUint64, 8, "UINT64", "torch.uint64", false},
    {DType::kInt8, 1, "INT8", "torch.int8", false},
    {DType::kInt16, 2, "INT16", "torch.int16", false},
    {DType::kInt32, 4, "INT32", "torch.int32", false},
    {DType::kInt64, 8, "INT64", "torch.int64", false},
    {DType::kFp16, 2, "FP16", "torch.float16", true},
    {DType::kBf16, 2, "BF16", "torch.bfloat16", true},
    {DType::kFp32, 4, "FP32", "torch.float32", true},
    {DType::kFp64, 8, "FP64", "torch.float64", true},
    {DType::kBytes, 0, "BYTES", "str", false},
    {DType::kFp8E4M3, 1, "FP8_E4M3", "torch.float8_e4m3fn", true},
    {DType::kFp8E5M2, 1, "FP8_E5M2", "torch.float8_e5m2", true},
    {DType::kComplex64, 8, "COMPLEX64", "torch.complex64", false},
    {DType::kComplex128, 16, "COMPLEX128", "torch.complex128", false},
}};

const Row* Find(DType dtype) {
  for (const Row& row : kRows) {
    if (row.dtype == dtype) return &row;
  }
  return nullptr;
}

}  // namespace

int64_t ByteSize(DType dtype) {
  const Row* row = Find(dtype);
  return row == nullptr ? 0 : row->bytes;
}

std::string_view Name(DType dtype) {
  const Row* row = Find(dtype);
  return row == nullptr ? "INVALID" : row->name;
}

std::string_view TorchName(DType dtype) {
  const Row* row = Find(dtype);
  return row == nullptr ? "unknown dtype" : row->torch_name;
}

absl::StatusOr<DType> ParseDType(std::string_view name) {
  std::string known;
  for (const Row& row : kRows) {
    if (row.name == name) return row.dtype;
    known += (known.empty() ? "" : ", ") + std::string(row.name);
  }
  return base::MakeStatus(absl::StatusCode::kInvalidArgument, "unknown dtype \"{}\"; expected one of {}", name, known);
}

bool IsFloating(DType dtype) {
  const Row* row = Find(dtype);
  return row != nullptr && row->floating;
}

}  // namespace torchferry::tensor
