#include "client/tensor/npy.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>
#include <utility>

#include "client/tensor/npy_header.h"
#include "server/base/status.h"

namespace torchferry::client {
namespace {

constexpr std::string_view kMagic("\x93NUMPY", 6);
constexpr size_t kAlignment = 64;           // of the data, as numpy writes it
constexpr size_t kMaxHeaderBytes = 65'536;  // what numpy writes for a plain array is 118

absl::Status Invalid(std::string_view message) {
  return base::MakeStatus(absl::StatusCode::kInvalidArgument, "not a usable .npy file: {}", message);
}

constexpr std::pair<std::string_view, tensor::DType> kTypes[] = {
    {"b1", tensor::DType::kBool},   {"u1", tensor::DType::kUint8},  {"u2", tensor::DType::kUint16},
    {"u4", tensor::DType::kUint32}, {"u8", tensor::DType::kUint64}, {"i1", tensor::DType::kInt8},
    {"i2", tensor::DType::kInt16},  {"i4", tensor::DType::kInt32},  {"i8", tensor::DType::kInt64},
    {"f2", tensor::DType::kFp16},   {"f4", tensor::DType::kFp32},   {"f8", tensor::DType::kFp64},
    {"V2", tensor::DType::kBf16},
};

struct Elements {
  tensor::DType dtype;
  bool is_big_endian;
};

absl::StatusOr<Elements> ParseDescr(std::string_view descr) {
  const std::string_view type = descr.empty() ? descr : descr.substr(1);
  if (!descr.empty() && std::string_view("<>|=").find(descr[0]) != std::string_view::npos) {
    for (const auto& [name, dtype] : kTypes) {
      if (type == name) return Elements{dtype, descr[0] == '>'};
    }
  }
  std::string_view hint;
  if (type.starts_with("O")) hint = " (Python objects: they would have to be unpickled)";
  if (type.starts_with("U") || type.starts_with("S")) hint = " (text)";
  if (type.starts_with("c")) hint = " (complex)";
  return Invalid(fmt::format("dtype '{}'{} is not supported; bool, (u)int8 to 64 and float16 to 64 are", descr, hint));
}

// The header's text, and through `bytes` what follows it.
absl::StatusOr<std::string_view> TakeHeader(std::string_view* bytes) {
  if (!LooksLikeNpy(*bytes)) return Invalid("it does not start with \\x93NUMPY");
  if (bytes->size() < kMagic.size() + 2) return Invalid("it ends inside its header");
  const int major = static_cast<unsigned char>((*bytes)[kMagic.size()]);
  if (major < 1 || major > 3) {
    return Invalid(fmt::format("format version {} is not known, 1 to 3 are", major));
  }
  bytes->remove_prefix(kMagic.size() + 2);
  const size_t length_bytes = major == 1 ? 2 : 4;
  if (bytes->size() < length_bytes) return Invalid("it ends inside its header");
  uint32_t length = 0;
  std::memcpy(&length, bytes->data(), length_bytes);
  bytes->remove_prefix(length_bytes);
  if (length > kMaxHeaderBytes) {
    return Invalid(fmt::format("its header claims {} bytes, at most {} are read", length, kMaxHeaderBytes));
  }
  if (bytes->size() < length) return Invalid("it ends inside its header");
  const std::string_view header = bytes->substr(0, length);
  bytes->remove_prefix(length);
  return header;
}

void SwapBytes(size_t element_size, std::string* data) {
  for (size_t i = 0; i < data->size(); i += element_size) {
    std::reverse(data->begin() + i, data->begin() + i + element_size);
  }
}

// Column-major to row-major.
std::string Transposed(const std::string& data, size_t element_size, const tensor::Shape& shape) {
  std::string result(data.size(), '\0');
  tensor::Shape index(shape.size(), 0);
  for (size_t to = 0; to < data.size(); to += element_size) {
    size_t from = 0;
    for (size_t i = shape.size(); i-- > 0;) from = from * shape[i] + index[i];
    std::memcpy(&result[to], &data[from * element_size], element_size);
    for (size_t i = shape.size(); i-- > 0 && ++index[i] == shape[i];) index[i] = 0;
  }
  return result;
}

}  // namespace

bool LooksLikeNpy(std::string_view bytes) { return bytes.starts_with(kMagic); }

absl::StatusOr<Array> ParseNpy(std::string_view bytes) {
  FERRY_ASSIGN_OR_RETURN(const std::string_view text, TakeHeader(&bytes));
  const absl::StatusOr<NpyHeader> header = ParseNpyHeader(text);
  if (!header.ok()) return Invalid(base::MessageOf(header.status()));
  FERRY_ASSIGN_OR_RETURN(const Elements elements, ParseDescr(header->descr));
  const absl::StatusOr<int64_t> size = tensor::ByteCount(elements.dtype, header->shape);
  if (!size.ok()) return Invalid(base::MessageOf(size.status()));
  if (bytes.size() != static_cast<size_t>(*size)) {
    return Invalid(fmt::format("it is {}: shape {} of {} needs {} bytes, it holds {}",
                               bytes.size() < static_cast<size_t>(*size) ? "truncated" : "too long",
                               tensor::ToString(header->shape), NumpyName(elements.dtype), *size, bytes.size()));
  }
  Array array{elements.dtype, header->shape, std::string(bytes)};
  const auto element_size = static_cast<size_t>(tensor::ByteSize(array.dtype));
  if (elements.is_big_endian) SwapBytes(element_size, &array.data);
  if (header->is_fortran_order && array.shape.size() > 1) {
    array.data = Transposed(array.data, element_size, array.shape);
  }
  return array;
}

absl::StatusOr<std::string> FormatNpy(const Array& array) {
  std::string_view type;
  for (const auto& [name, dtype] : kTypes) {
    if (dtype == array.dtype && dtype != tensor::DType::kBf16) type = name;
  }
  if (type.empty()) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument, "numpy has no dtype for {}", Name(array.dtype));
  }
  std::string header = fmt::format("{{'descr': '{}{}', 'fortran_order': False, 'shape': ({}{}), }}",
                                   tensor::ByteSize(array.dtype) == 1 ? '|' : '<', type, fmt::join(array.shape, ", "),
                                   array.shape.size() == 1 ? "," : "");
  const size_t prefix = kMagic.size() + 2 + 2;
  header.append(kAlignment - 1 - (prefix + header.size()) % kAlignment, ' ');
  header += '\n';
  const auto length = static_cast<uint16_t>(header.size());
  std::string result(kMagic);
  result.append("\x01\x00", 2);
  result.append(reinterpret_cast<const char*>(&length), sizeof(length));
  return result + header + array.data;
}

}  // namespace torchferry::client
