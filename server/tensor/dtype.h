// Element types, named as the Open Inference Protocol names them.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <string_view>

namespace torchferry::tensor {

enum class DType : uint8_t {
  kInvalid = 0,
  kBool,
  kUint8,
  kUint16,
  kUint32,
  kUint64,
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kFp16,
  kBf16,
  kFp32,
  kFp64,
  kBytes,       // text: each element is its length, four bytes little-endian, and as many bytes of UTF-8
  kFp8E4M3,     // torch.float8_e4m3fn
  kFp8E5M2,     // torch.float8_e5m2
  kComplex64,   // two FP32
  kComplex128,  // two FP64
};

// Bytes of one element; 0 for kInvalid, and for kBytes, whose elements have lengths of their own.
int64_t ByteSize(DType dtype);

// "FP32", "INT64", "BOOL", … as on the wire.
std::string_view Name(DType dtype);

// "torch.float32" and so on: what a PyTorch user calls it.
std::string_view TorchName(DType dtype);

// The inverse of Name. INVALID_ARGUMENT naming the text and what is known.
absl::StatusOr<DType> ParseDType(std::string_view name);

bool IsFloating(DType dtype);

}  // namespace torchferry::tensor
