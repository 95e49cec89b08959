#include "server/checkpoint/array_rebuild.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "server/base/status.h"
#include "server/checkpoint/display.h"
#include "server/checkpoint/limits.h"

namespace torchferry::checkpoint {
namespace {

struct NumpyType {
  std::string_view name;  // without its byte order
  tensor::DType dtype;
};

constexpr NumpyType kTypes[] = {
    {"b1", tensor::DType::kBool},      {"u1", tensor::DType::kUint8},  {"i1", tensor::DType::kInt8},
    {"u2", tensor::DType::kUint16},    {"i2", tensor::DType::kInt16},  {"u4", tensor::DType::kUint32},
    {"i4", tensor::DType::kInt32},     {"u8", tensor::DType::kUint64}, {"i8", tensor::DType::kInt64},
    {"f2", tensor::DType::kFp16},      {"f4", tensor::DType::kFp32},   {"f8", tensor::DType::kFp64},
    {"c8", tensor::DType::kComplex64},
};

// An array's parts, wherever its pickle has them.
struct Parts {
  PickleRef shape = kNoPickleRef;
  PickleRef type = kNoPickleRef;
  PickleRef bytes = kNoPickleRef;
  bool is_fortran = false;
};

struct ElementType {
  tensor::DType dtype = tensor::DType::kInvalid;
  bool is_swapped = false;  // big-endian
};

const PickleNode* CalledName(const PickleTree& tree, const PickleNode& node, std::string_view name) {
  if (node.kind != PickleKind::kObject) return nullptr;
  const PickleNode& callable = tree[node.items[0]];
  const bool is_it = callable.kind == PickleKind::kGlobal && callable.role == GlobalRole::kCallable &&
                     callable.name == name && callable.text.starts_with("numpy");
  return is_it ? &tree[node.items[1]] : nullptr;
}

std::optional<Parts> PartsOf(const PickleTree& tree, PickleRef ref) {
  const PickleNode& node = tree[ref];
  if (const PickleNode* arguments = CalledName(tree, node, "_frombuffer"); arguments != nullptr) {
    // (bytes, type, shape, order)
    if (arguments->items.size() != 4) return std::nullopt;
    return Parts{arguments->items[2], arguments->items[1], arguments->items[0], tree[arguments->items[3]].text == "F"};
  }
  const PickleNode* arguments = CalledName(tree, node, "_reconstruct");
  if (arguments == nullptr || arguments->items.empty() || node.state == kNoPickleRef) return std::nullopt;
  const PickleNode& made = tree[arguments->items[0]];
  if (made.kind != PickleKind::kGlobal || made.text != "numpy" || made.name != "ndarray") return std::nullopt;
  // (version, shape, type, whether the columns come first, bytes); NumPy once wrote no version.
  const std::vector<PickleRef>& state = tree[node.state].items;
  const size_t first = state.size() == 5 ? 1 : 0;
  if (tree[node.state].kind != PickleKind::kTuple || state.size() < 4 || state.size() > 5) return std::nullopt;
  return Parts{state[first], state[first + 1], state[first + 3], tree[state[first + 2]].integer != 0};
}

// numpy.dtype("f4", …) with the state (version, byte order, …).
std::optional<ElementType> TypeAt(const PickleTree& tree, PickleRef ref) {
  const PickleNode& node = tree[ref];
  const PickleNode* arguments = CalledName(tree, node, "dtype");
  if (arguments == nullptr || arguments->items.empty()) return std::nullopt;
  const PickleNode& name = tree[arguments->items[0]];
  const auto* const known = std::ranges::find(kTypes, name.text, &NumpyType::name);
  if (name.kind != PickleKind::kString || known == std::end(kTypes)) return std::nullopt;
  ElementType type{known->dtype};
  if (node.state == kNoPickleRef || tree[node.state].items.size() < 2) return type;
  type.is_swapped = tree[tree[node.state].items[1]].text == ">";
  return type;
}

// Up to protocol 2, bytes are a text of the characters 0 to 255: _codecs.encode(text, "latin1").
std::optional<std::string_view> Latin1At(const PickleTree& tree, const PickleNode& node) {
  if (node.kind != PickleKind::kObject) return std::nullopt;
  const PickleNode& callable = tree[node.items[0]];
  const std::vector<PickleRef>& arguments = tree[node.items[1]].items;
  if (callable.text != "_codecs" || callable.name != "encode" || arguments.size() != 2) return std::nullopt;
  if (tree[arguments[0]].kind != PickleKind::kString || tree[arguments[1]].text != "latin1") return std::nullopt;
  return tree[arguments[0]].text;
}

absl::StatusOr<std::string> Latin1Bytes(std::string_view utf8) {
  constexpr unsigned char kTwoBytes = 0xc0;  // of characters 0x80 to 0xff the first byte is this with two bits more
  std::string bytes;
  bytes.reserve(utf8.size());
  for (size_t i = 0; i < utf8.size(); ++i) {
    const auto c = static_cast<unsigned char>(utf8[i]);
    if (c < 0x80) {
      bytes += utf8[i];
    } else if ((c & 0xfc) == kTwoBytes && i + 1 < utf8.size()) {
      ++i;
      bytes += static_cast<char>((c & 3) << 6 | (static_cast<unsigned char>(utf8[i]) & 0x3f));
    } else {
      return absl::DataLossError("its bytes are a text with characters beyond 255");
    }
  }
  return bytes;
}

absl::StatusOr<std::string> BytesAt(const PickleTree& tree, PickleRef ref) {
  const PickleNode& node = tree[ref];
  if (node.kind == PickleKind::kBytes) return std::string(node.text);
  if (const std::optional<std::string_view> latin1 = Latin1At(tree, node); latin1.has_value()) {
    return Latin1Bytes(*latin1);
  }
  // bytes() and bytearray() of an array without elements.
  if (node.kind == PickleKind::kObject && tree[node.items[1]].items.empty()) return std::string();
  return base::MakeStatus(absl::StatusCode::kDataLoss, "its bytes are a {}", Name(node.kind));
}

absl::StatusOr<tensor::Shape> ShapeAt(const PickleTree& tree, PickleRef ref) {
  const PickleNode& node = tree[ref];
  if (node.kind != PickleKind::kTuple || node.items.size() > limits::kMaxRank) {
    return base::MakeStatus(absl::StatusCode::kDataLoss, "its shape is no tuple of up to {} sizes", limits::kMaxRank);
  }
  tensor::Shape shape;
  for (const PickleRef item : node.items) {
    if (tree[item].kind != PickleKind::kInt || tree[item].integer < 0) {
      return absl::DataLossError("its shape holds what is no size");
    }
    shape.push_back(tree[item].integer);
  }
  return shape;
}

std::vector<int64_t> DenseStrides(const tensor::Shape& shape, bool columns_first) {
  std::vector<int64_t> strides(shape.size());
  int64_t stride = 1;
  for (size_t i = 0; i < shape.size(); ++i) {
    const size_t at = columns_first ? i : shape.size() - 1 - i;
    strides[at] = stride;
    if (__builtin_mul_overflow(stride, std::max<int64_t>(shape[at], 1), &stride)) stride = 1;  // a size is 0
  }
  return strides;
}

void SwapBytes(tensor::DType dtype, std::string& bytes) {
  const size_t parts = dtype == tensor::DType::kComplex64 ? 2 : 1;
  const size_t size = static_cast<size_t>(tensor::ByteSize(dtype)) / parts;
  for (size_t at = 0; at + size <= bytes.size(); at += size) {
    std::reverse(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                 bytes.begin() + static_cast<std::ptrdiff_t>(at + size));
  }
}

}  // namespace

bool IsArray(const PickleTree& tree, PickleRef ref) {
  const std::optional<Parts> parts = PartsOf(tree, ref);
  return parts.has_value() && TypeAt(tree, parts->type).has_value();
}

absl::StatusOr<TensorInfo> RebuildArray(const PickleTree& tree, PickleRef ref, StorageTable& storages) {
  const std::optional<Parts> parts = PartsOf(tree, ref);
  const std::optional<ElementType> type = parts.has_value() ? TypeAt(tree, parts->type) : std::nullopt;
  if (!type.has_value()) return absl::DataLossError("is no array");
  TensorInfo tensor;
  tensor.dtype = type->dtype;
  tensor.is_array = true;
  FERRY_ASSIGN_OR_RETURN(tensor.shape, ShapeAt(tree, parts->shape));
  tensor.strides = DenseStrides(tensor.shape, parts->is_fortran);
  const absl::StatusOr<int64_t> wanted = tensor::ByteCount(tensor.dtype, tensor.shape);
  if (!wanted.ok()) return absl::DataLossError(base::MessageOf(wanted.status()));
  FERRY_ASSIGN_OR_RETURN(std::string bytes, BytesAt(tree, parts->bytes));
  if (bytes.size() != static_cast<size_t>(*wanted)) {
    return base::MakeStatus(absl::StatusCode::kDataLoss, "is an array {} of {} bytes, and has {}",
                            tensor::ToString(tensor.shape), *wanted, bytes.size());
  }
  if (type->is_swapped) SwapBytes(tensor.dtype, bytes);
  FERRY_ASSIGN_OR_RETURN(tensor.storage, storages.AddBytes(ref, std::move(bytes)));
  return tensor;
}

}  // namespace torchferry::checkpoint
