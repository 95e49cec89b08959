#include "server/checkpoint/torch_types.h"

namespace torchferry::checkpoint {
namespace {

constexpr StorageType kStorageTypes[] = {
    {"FloatStorage", tensor::DType::kFp32, 4},
    {"DoubleStorage", tensor::DType::kFp64, 8},
    {"HalfStorage", tensor::DType::kFp16, 2},
    {"BFloat16Storage", tensor::DType::kBf16, 2},
    {"LongStorage", tensor::DType::kInt64, 8},
    {"IntStorage", tensor::DType::kInt32, 4},
    {"ShortStorage", tensor::DType::kInt16, 2},
    {"CharStorage", tensor::DType::kInt8, 1},
    {"ByteStorage", tensor::DType::kUint8, 1},
    {"BoolStorage", tensor::DType::kBool, 1},
    {"ComplexFloatStorage", tensor::DType::kComplex64, 8},
    {"ComplexDoubleStorage", tensor::DType::kComplex128, 16},
    {"UntypedStorage", tensor::DType::kInvalid, 1},
    // torch.jit.save alone writes these: torch.save uses UntypedStorage for the newer types.
    {"UInt16Storage", tensor::DType::kUint16, 2},
    {"UInt32Storage", tensor::DType::kUint32, 4},
    {"UInt64Storage", tensor::DType::kUint64, 8},
    {"Float8_e4m3fnStorage", tensor::DType::kFp8E4M3, 1},
    {"Float8_e5m2Storage", tensor::DType::kFp8E5M2, 1},
    {"ComplexHalfStorage", tensor::DType::kInvalid, 4},
    {"QInt8Storage", tensor::DType::kInvalid, 1},
    {"QUInt8Storage", tensor::DType::kInvalid, 1},
    {"QInt32Storage", tensor::DType::kInvalid, 4},
    {"QUInt4x2Storage", tensor::DType::kInvalid, 1},
    {"QUInt2x4Storage", tensor::DType::kInvalid, 1},
};

constexpr TorchDType kTorchDTypes[] = {
    {"float32", tensor::DType::kFp32},
    {"float64", tensor::DType::kFp64},
    {"float16", tensor::DType::kFp16},
    {"bfloat16", tensor::DType::kBf16},
    {"int64", tensor::DType::kInt64},
    {"int32", tensor::DType::kInt32},
    {"int16", tensor::DType::kInt16},
    {"int8", tensor::DType::kInt8},
    {"uint8", tensor::DType::kUint8},
    {"uint16", tensor::DType::kUint16},
    {"uint32", tensor::DType::kUint32},
    {"uint64", tensor::DType::kUint64},
    {"bool", tensor::DType::kBool},
    {"complex64", tensor::DType::kComplex64},
    {"complex128", tensor::DType::kComplex128},
    {"float8_e4m3fn", tensor::DType::kFp8E4M3},
    {"float8_e5m2", tensor::DType::kFp8E5M2},
    {"complex32", tensor::DType::kInvalid},
    {"float8_e4m3fnuz", tensor::DType::kInvalid},
    {"float8_e5m2fnuz", tensor::DType::kInvalid},
    {"float8_e8m0fnu", tensor::DType::kInvalid},
    {"float4_e2m1fn_x2", tensor::DType::kInvalid},
    {"qint8", tensor::DType::kInvalid},
    {"quint8", tensor::DType::kInvalid},
    {"qint32", tensor::DType::kInvalid},
    {"quint4x2", tensor::DType::kInvalid},
    {"quint2x4", tensor::DType::kInvalid},
    {"bits8", tensor::DType::kInvalid},
    {"bits16", tensor::DType::kInvalid},
    {"bits1x8", tensor::DType::kInvalid},
    {"bits2x4", tensor::DType::kInvalid},
    {"bits4x2", tensor::DType::kInvalid},
    {"int1", tensor::DType::kInvalid},
    {"int2", tensor::DType::kInvalid},
    {"int3", tensor::DType::kInvalid},
    {"int4", tensor::DType::kInvalid},
    {"int5", tensor::DType::kInvalid},
    {"int6", tensor::DType::kInvalid},
    {"int7", tensor::DType::kInvalid},
    {"uint1", tensor::DType::kInvalid},
    {"uint2", tensor::DType::kInvalid},
    {"uint3", tensor::DType::kInvalid},
    {"uint4", tensor::DType::kInvalid},
    {"uint5", tensor::DType::kInvalid},
    {"uint6", tensor::DType::kInvalid},
    {"uint7", tensor::DType::kInvalid},
};

}  // namespace

const StorageType* FindStorageType(std::string_view module, std::string_view name) {
  // torch.cuda: how PyTorch before 1.0 named what it saved from a GPU.
  if (module != "torch" && module != "torch.storage" && module != "torch.cuda") return nullptr;
  for (const StorageType& type : kStorageTypes) {
    if (type.name == name) return &type;
  }
  return nullptr;
}

const TorchDType* FindTorchDType(std::string_view name) {
  for (const TorchDType& type : kTorchDTypes) {
    if (type.name == name) return &type;
  }
  return nullptr;
}

}  // namespace torchferry::checkpoint
