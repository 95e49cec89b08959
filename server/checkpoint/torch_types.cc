#include "server/checkpoint/torch_types.h"

namespace torchferry {
namespace {

constexpr StorageType kStorageTypes[] = {
    {"FloatStorage", DType::kFp32, 4},
    {"DoubleStorage", DType::kFp64, 8},
    {"HalfStorage", DType::kFp16, 2},
    {"BFloat16Storage", DType::kBf16, 2},
    {"LongStorage", DType::kInt64, 8},
    {"IntStorage", DType::kInt32, 4},
    {"ShortStorage", DType::kInt16, 2},
    {"CharStorage", DType::kInt8, 1},
    {"ByteStorage", DType::kUint8, 1},
    {"BoolStorage", DType::kBool, 1},
    {"ComplexFloatStorage", DType::kComplex64, 8},
    {"ComplexDoubleStorage", DType::kComplex128, 16},
    {"UntypedStorage", DType::kInvalid, 1},
    // torch.jit.save alone writes these: torch.save uses UntypedStorage for the newer types.
    {"UInt16Storage", DType::kUint16, 2},
    {"UInt32Storage", DType::kUint32, 4},
    {"UInt64Storage", DType::kUint64, 8},
    {"Float8_e4m3fnStorage", DType::kFp8E4M3, 1},
    {"Float8_e5m2Storage", DType::kFp8E5M2, 1},
    {"ComplexHalfStorage", DType::kInvalid, 4},
    {"QInt8Storage", DType::kInvalid, 1},
    {"QUInt8Storage", DType::kInvalid, 1},
    {"QInt32Storage", DType::kInvalid, 4},
    {"QUInt4x2Storage", DType::kInvalid, 1},
    {"QUInt2x4Storage", DType::kInvalid, 1},
};

constexpr TorchDType kTorchDTypes[] = {
    {"float32", DType::kFp32},
    {"float64", DType::kFp64},
    {"float16", DType::kFp16},
    {"bfloat16", DType::kBf16},
    {"int64", DType::kInt64},
    {"int32", DType::kInt32},
    {"int16", DType::kInt16},
    {"int8", DType::kInt8},
    {"uint8", DType::kUint8},
    {"uint16", DType::kUint16},
    {"uint32", DType::kUint32},
    {"uint64", DType::kUint64},
    {"bool", DType::kBool},
    {"complex64", DType::kComplex64},
    {"complex128", DType::kComplex128},
    {"float8_e4m3fn", DType::kFp8E4M3},
    {"float8_e5m2", DType::kFp8E5M2},
    {"complex32", DType::kInvalid},
    {"float8_e4m3fnuz", DType::kInvalid},
    {"float8_e5m2fnuz", DType::kInvalid},
    {"float8_e8m0fnu", DType::kInvalid},
    {"float4_e2m1fn_x2", DType::kInvalid},
    {"qint8", DType::kInvalid},
    {"quint8", DType::kInvalid},
    {"qint32", DType::kInvalid},
    {"quint4x2", DType::kInvalid},
    {"quint2x4", DType::kInvalid},
    {"bits8", DType::kInvalid},
    {"bits16", DType::kInvalid},
    {"bits1x8", DType::kInvalid},
    {"bits2x4", DType::kInvalid},
    {"bits4x2", DType::kInvalid},
    {"int1", DType::kInvalid},
    {"int2", DType::kInvalid},
    {"int3", DType::kInvalid},
    {"int4", DType::kInvalid},
    {"int5", DType::kInvalid},
    {"int6", DType::kInvalid},
    {"int7", DType::kInvalid},
    {"uint1", DType::kInvalid},
    {"uint2", DType::kInvalid},
    {"uint3", DType::kInvalid},
    {"uint4", DType::kInvalid},
    {"uint5", DType::kInvalid},
    {"uint6", DType::kInvalid},
    {"uint7", DType::kInvalid},
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

}  // namespace torchferry
