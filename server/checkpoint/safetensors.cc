#include "server/checkpoint/safetensors.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/base/status.h"
#include "server/checkpoint/display.h"
#include "server/checkpoint/file_bytes.h"
#include "server/checkpoint/limits.h"
#include "server/checkpoint/passport_text.h"
#include "server/checkpoint/safetensors_header.h"

namespace torchferry::checkpoint {
namespace {

constexpr uint64_t kLengthBytes = 8;

struct NamedDType {
  std::string_view name;
  tensor::DType dtype;
};

constexpr NamedDType kDTypes[] = {
    {"BOOL", tensor::DType::kBool},     {"U8", tensor::DType::kUint8},        {"I8", tensor::DType::kInt8},
    {"U16", tensor::DType::kUint16},    {"I16", tensor::DType::kInt16},       {"U32", tensor::DType::kUint32},
    {"I32", tensor::DType::kInt32},     {"U64", tensor::DType::kUint64},      {"I64", tensor::DType::kInt64},
    {"F16", tensor::DType::kFp16},      {"BF16", tensor::DType::kBf16},       {"F32", tensor::DType::kFp32},
    {"F64", tensor::DType::kFp64},      {"F8_E4M3", tensor::DType::kFp8E4M3}, {"F8_E5M2", tensor::DType::kFp8E5M2},
    {"C64", tensor::DType::kComplex64},
};

tensor::DType FindDType(std::string_view name) {
  const auto* found = std::ranges::find_if(kDTypes, [&](const NamedDType& known) { return known.name == name; });
  return found == std::end(kDTypes) ? tensor::DType::kInvalid : found->dtype;
}

uint64_t HeaderLength(std::string_view head) {
  uint64_t length = 0;
  for (size_t i = kLengthBytes; i-- > 0;) length = length << 8 | static_cast<uint8_t>(head[i]);
  return length;
}

// The bytes that a tensor takes; nothing when they are more than 2^63.
std::optional<uint64_t> BytesOf(const SafetensorsEntry& entry, tensor::DType dtype) {
  int64_t bytes = tensor::ByteSize(dtype);
  for (const int64_t dimension : entry.shape) {
    if (__builtin_mul_overflow(bytes, dimension, &bytes)) return std::nullopt;
  }
  return static_cast<uint64_t>(bytes);
}

absl::Status CheckSize(const SafetensorsEntry& entry, tensor::DType dtype, uint64_t data_bytes) {
  const std::optional<uint64_t> wanted = BytesOf(entry, dtype);
  if (entry.begin > entry.end) {
    return base::MakeStatus(absl::StatusCode::kDataLoss, "tensor {} ends at byte {}, before it begins ({})",
                            Quoted(entry.name), entry.end, entry.begin);
  }
  if (!wanted.has_value() || *wanted != entry.end - entry.begin) {
    return base::MakeStatus(absl::StatusCode::kDataLoss,
                            "tensor {} of dtype {} and shape {} has {} bytes (data_offsets {} to {})",
                            Quoted(entry.name), entry.dtype, tensor::ToString(entry.shape), entry.end - entry.begin,
                            entry.begin, entry.end);
  }
  if (entry.end > data_bytes) {
    return base::MakeStatus(absl::StatusCode::kDataLoss,
                            "breaks off: tensor {} ends at byte {} of the data, of which {} are there; "
                            "download or copy the file again",
                            Quoted(entry.name), entry.end, data_bytes);
  }
  return absl::OkStatus();
}

// The format's rule: the tensors' bytes cover the data once, without gaps.
absl::Status CheckCover(const std::vector<SafetensorsEntry>& entries, uint64_t data_bytes) {
  std::vector<const SafetensorsEntry*> sorted;
  for (const SafetensorsEntry& entry : entries) sorted.push_back(&entry);
  std::ranges::sort(
      sorted, [](const auto* a, const auto* b) { return std::pair(a->begin, a->end) < std::pair(b->begin, b->end); });
  uint64_t end = 0;
  for (const SafetensorsEntry* entry : sorted) {
    if (entry->begin != end) {
      return base::MakeStatus(absl::StatusCode::kDataLoss,
                              "tensor {} begins at byte {} of the data; expected {}, where the one before "
                              "it ends",
                              Quoted(entry->name), entry->begin, end);
    }
    end = entry->end;
  }
  if (end == data_bytes) return absl::OkStatus();
  return base::MakeStatus(absl::StatusCode::kDataLoss, "has {} bytes of data; its tensors take {} of them", data_bytes,
                          end);
}

std::vector<int64_t> ContiguousStrides(const tensor::Shape& shape) {
  std::vector<int64_t> strides(shape.size());
  int64_t stride = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    strides[i] = stride;
    // A size that is no product of the others cannot overflow: CheckSize has multiplied them all,
    // unless one is 0, where strides mean nothing.
    if (__builtin_mul_overflow(stride, std::max<int64_t>(shape[i], 1), &stride)) stride = 1;
  }
  return strides;
}

// Empty where there is none.
std::string MetadataOf(const SafetensorsHeader& header, std::string_view key) {
  const auto found = std::ranges::find(header.metadata, key, &std::pair<std::string, std::string>::first);
  return found == header.metadata.end() ? "" : found->second;
}

// "PyTorch" for {"format": "pt"}: what wrote it says which framework's layout the weights have.
std::string ProducerOf(const SafetensorsHeader& header) {
  std::string format = MetadataOf(header, "format");
  return format == "pt" ? "PyTorch" : format;
}

absl::StatusOr<CheckpointIndex> IndexOf(const SafetensorsHeader& header, uint64_t data_bytes) {
  CheckpointIndex index;
  index.producer = ProducerOf(header);
  index.passport = MetadataOf(header, kPassportMetadata);
  for (const SafetensorsEntry& entry : header.entries) {
    const tensor::DType dtype = FindDType(entry.dtype);
    if (dtype == tensor::DType::kInvalid) {
      return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                              "tensor {} has dtype {}, which is not served; convert it in Python, for "
                              "example tensor.float(), and save the file again",
                              Quoted(entry.name), Quoted(entry.dtype));
    }
    FERRY_RETURN_IF_ERROR(CheckSize(entry, dtype, data_bytes));
    index.tensors.push_back({entry.name, dtype, entry.shape, ContiguousStrides(entry.shape), index.storages.size(), 0});
    index.storages.push_back({entry.name, "", entry.end - entry.begin});
  }
  FERRY_RETURN_IF_ERROR(CheckCover(header.entries, data_bytes));
  return index;
}

absl::StatusOr<std::unique_ptr<Checkpoint>> Read(std::shared_ptr<const File> file) {
  std::string text(kLengthBytes, '\0');
  FERRY_RETURN_IF_ERROR(file->Read(0, std::as_writable_bytes(std::span<char>(text))));
  const uint64_t length = HeaderLength(text);
  if (length > limits::kMaxSafetensorsHeaderBytes) {
    return base::MakeStatus(absl::StatusCode::kDataLoss, "says that its header has {} bytes; the format allows {}",
                            length, limits::kMaxSafetensorsHeaderBytes);
  }
  if (length > file->size() - kLengthBytes) {
    return base::MakeStatus(absl::StatusCode::kDataLoss,
                            "breaks off: {} bytes, of which the header alone takes {}; download or copy "
                            "the file again",
                            file->size(), length + kLengthBytes);
  }
  text.assign(length, '\0');
  FERRY_RETURN_IF_ERROR(file->Read(kLengthBytes, std::as_writable_bytes(std::span<char>(text))));
  FERRY_ASSIGN_OR_RETURN(const SafetensorsHeader header, ParseSafetensorsHeader(text));
  const uint64_t data_begin = kLengthBytes + length;
  FERRY_ASSIGN_OR_RETURN(CheckpointIndex index, IndexOf(header, file->size() - data_begin));
  std::vector<uint64_t> offsets;
  for (const SafetensorsEntry& entry : header.entries) offsets.push_back(data_begin + entry.begin);
  return std::make_unique<Checkpoint>(std::move(index),
                                      std::make_unique<FileBytes>(std::move(file), std::move(offsets)));
}

}  // namespace

bool HasSafetensorsHeader(std::string_view head) {
  // Lengths beyond this are other files, whose ninth byte is a brace by chance.
  constexpr uint64_t kMaxPlausible = uint64_t{1} << 40;
  if (head.size() <= kLengthBytes || head[kLengthBytes] != '{') return false;
  const uint64_t length = HeaderLength(head);
  return length >= 2 && length < kMaxPlausible;
}

absl::StatusOr<std::unique_ptr<Checkpoint>> OpenSafetensors(std::shared_ptr<const File> file) {
  absl::StatusOr<std::unique_ptr<Checkpoint>> checkpoint = Read(file);
  if (!checkpoint.ok()) return base::Annotate(checkpoint.status(), file->name());
  return checkpoint;
}

}  // namespace torchferry::checkpoint
