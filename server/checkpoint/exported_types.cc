#include "server/checkpoint/exported_types.h"

#include <algorithm>
#include <span>

#include "server/base/status.h"
#include "server/checkpoint/display.h"
#include "server/checkpoint/exported_fields.h"
#include "server/checkpoint/limits.h"

namespace torchferry::checkpoint {
namespace {

struct Enumerator {
  int64_t number;
  std::string_view name;
};

constexpr Enumerator kScalarTypes[] = {
    {1, "uint8"},
    {2, "int8"},
    {3, "int16"},
    {4, "int32"},
    {5, "int64"},
    {6, "float16"},
    {7, "float32"},
    {8, "float64"},
    {9, "complex32"},
    {10, "complex64"},
    {11, "complex128"},
    {12, "bool"},
    {13, "bfloat16"},
    {28, "uint16"},
    {29, "float8_e4m3fn"},
    {30, "float8_e5m2"},
    {31, "float8_e4m3fnuz"},
    {32, "float8_e5m2fnuz"},
    {33, "float8_e8m0fnu"},
    {34, "uint32"},
    {35, "uint64"},
};

constexpr Enumerator kLayouts[] = {
    {1, "sparse_coo"}, {2, "sparse_csr"}, {3, "sparse_csc"}, {4, "sparse_bsr"},
    {5, "sparse_bsc"}, {6, "_mkldnn"},    {7, "strided"},
};

constexpr Enumerator kMemoryFormats[] = {
    {1, "contiguous_format"}, {2, "channels_last"}, {3, "channels_last_3d"}, {4, "preserve_format"}};

absl::StatusOr<std::string> ReadEnumerator(const JsonValue& value, std::span<const Enumerator> known,
                                           std::string_view what) {
  FERRY_ASSIGN_OR_RETURN(const int64_t number, ReadInteger(value));
  const auto found = std::ranges::find(known, number, &Enumerator::number);
  if (found == known.end()) return UnknownTag(fmt::format("a {}", what), fmt::format("{}", number));
  return std::string(found->name);
}

}  // namespace

absl::StatusOr<std::string> ReadScalarType(const JsonValue& value) {
  return ReadEnumerator(value, kScalarTypes, "dtype");
}

absl::StatusOr<std::string> ReadLayout(const JsonValue& value) { return ReadEnumerator(value, kLayouts, "layout"); }

absl::StatusOr<std::string> ReadMemoryFormat(const JsonValue& value) {
  return ReadEnumerator(value, kMemoryFormats, "memory format");
}

absl::StatusOr<std::string> ReadDevice(const JsonValue& value) {
  FERRY_ASSIGN_OR_RETURN(const std::string type, NameField(value, "type"));
  if (type.size() > limits::kMaxDeviceBytes) {
    return base::MakeStatus(absl::StatusCode::kDataLoss, "the device {} has a name of more than {} bytes", Quoted(type),
                            limits::kMaxDeviceBytes);
  }
  FERRY_ASSIGN_OR_RETURN(const JsonValue* index, OptionalField(value, "index", JsonValue::Kind::kInt));
  if (index == nullptr) return type;
  if (index->integer < 0) {
    return base::MakeStatus(absl::StatusCode::kDataLoss, "the device {} has the index {}", Quoted(type),
                            index->integer);
  }
  return fmt::format("{}:{}", type, index->integer);
}

}  // namespace torchferry::checkpoint
