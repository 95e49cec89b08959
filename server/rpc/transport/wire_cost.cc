#include "server/rpc/transport/wire_cost.h"

#include <google/protobuf/io/coded_stream.h>

#include <algorithm>
#include <climits>

#include "server/base/status.h"

namespace torchferry::rpc {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::io::CodedInputStream;

// A message within a message or a map's entry: the object, its place in its list or table, its share of an arena's
// blocks. The largest of ours has 200 bytes.
constexpr int64_t kMessageBytes = 512;
constexpr int64_t kStringBytes = 96;   // the object, its place in a list, what its allocation adds
constexpr int64_t kScalarBytes = 32;   // an element of a list that grows by doubling
constexpr int64_t kUnknownBytes = 96;  // protobuf keeps what it does not know
// A list that doubles holds twice what it needs, and an arena keeps the half that it grew out of.
constexpr int64_t kGrowth = 4;
// From here on protobuf reads a string in pieces, and doubles it.
constexpr int64_t kLongString = 50'000'000;
constexpr int kMaxDepth = 64;

enum WireType : uint32_t {
  kVarint = 0,
  kFixed64 = 1,
  kLengthDelimited = 2,
  kStartGroup = 3,
  kEndGroup = 4,
  kFixed32 = 5
};

int64_t ScalarSize(const FieldDescriptor& field) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return 1;
    case FieldDescriptor::CPPTYPE_INT64:
    case FieldDescriptor::CPPTYPE_UINT64:
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return 8;
    default:
      return 4;
  }
}

// Bytes on the wire of the shortest element.
int64_t LeastWireSize(const FieldDescriptor& field) {
  switch (field.type()) {
    case FieldDescriptor::TYPE_DOUBLE:
    case FieldDescriptor::TYPE_FIXED64:
    case FieldDescriptor::TYPE_SFIXED64:
      return 8;
    case FieldDescriptor::TYPE_FLOAT:
    case FieldDescriptor::TYPE_FIXED32:
    case FieldDescriptor::TYPE_SFIXED32:
      return 4;
    default:
      return 1;
  }
}

class Reader final {
 public:
  Reader(google::protobuf::io::ZeroCopyInputStream& in, int64_t max_length) : in_(&in) {
    // One more, to tell a message that ends there from one that goes on.
    in_.SetTotalBytesLimit(static_cast<int>(std::min<int64_t>(max_length + 1, INT_MAX)));
  }

  // False where the bytes are no message, or too many.
  bool ReadAll(const Descriptor& type) { return ReadFields(&type, 0, 0) && in_.ConsumedEntireMessage(); }

  int64_t memory() const { return memory_; }
  int64_t length() const { return in_.CurrentPosition(); }
  bool has_too_many_fields() const { return fields_ > kMaxFields; }

 private:
  // `group`: the number of the group that they are in, which only unknown fields are; 0: none.
  bool ReadFields(const Descriptor* type, uint32_t group, int depth) {
    if (depth > kMaxDepth) return false;
    while (const uint32_t tag = in_.ReadTag()) {
      if (++fields_ > kMaxFields) return false;
      const uint32_t number = tag >> 3;
      if ((tag & 7) == kEndGroup) return group != 0 && number == group;
      const FieldDescriptor* field = type == nullptr ? nullptr : type->FindFieldByNumber(static_cast<int>(number));
      if (!ReadField(field, tag, depth)) return false;
    }
    return group == 0;
  }

  bool ReadField(const FieldDescriptor* field, uint32_t tag, int depth) {
    uint64_t value = 0;
    uint32_t length = 0;
    switch (tag & 7) {
      case kVarint:
        AddScalar(field);
        return in_.ReadVarint64(&value);
      case kFixed64:
        AddScalar(field);
        return in_.Skip(8);
      case kFixed32:
        AddScalar(field);
        return in_.Skip(4);
      case kStartGroup:
        memory_ += kUnknownBytes;
        return ReadFields(nullptr, tag >> 3, depth + 1);
      case kLengthDelimited:
        return in_.ReadVarint32(&length) && length <= INT_MAX && ReadBytes(field, static_cast<int>(length), depth);
      default:
        return false;
    }
  }

  void AddScalar(const FieldDescriptor* field) {
    if (field == nullptr) {
      memory_ += kUnknownBytes;
    } else if (field->is_repeated()) {
      memory_ += kScalarBytes;
    }
  }

  bool ReadBytes(const FieldDescriptor* field, int length, int depth) {
    if (field != nullptr && field->type() == FieldDescriptor::TYPE_MESSAGE) {
      memory_ += kMessageBytes;
      const CodedInputStream::Limit limit = in_.PushLimit(length);
      const bool is_read = ReadFields(field->message_type(), 0, depth + 1) && in_.ConsumedEntireMessage();
      in_.PopLimit(limit);
      return is_read;
    }
    const bool is_packed = field != nullptr && field->is_packable();
    if (is_packed) {
      memory_ += length / LeastWireSize(*field) * ScalarSize(*field) * kGrowth;
    } else {
      memory_ += kStringBytes + length * (length > kLongString ? int64_t{2} : int64_t{1});
    }
    return in_.Skip(length);
  }

  CodedInputStream in_;
  int64_t memory_ = 0;
  int64_t fields_ = 0;
};

}  // namespace

absl::StatusOr<WireCost> CostOf(google::protobuf::io::ZeroCopyInputStream& in, const Descriptor& type,
                                int64_t max_length) {
  Reader reader(in, max_length);
  const bool is_message = reader.ReadAll(type);
  if (in.ByteCount() > max_length) {
    return base::MakeStatus(
        absl::StatusCode::kResourceExhausted,
        "the message has more than {} bytes: send a smaller one, or raise the server's --max-message-mib", max_length);
  }
  if (reader.has_too_many_fields()) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                            "the {} has more than {} fields; send tensors as raw bytes, and fewer of them",
                            type.full_name(), kMaxFields);
  }
  if (!is_message) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                            "the request is no {}: its bytes cannot be read beyond the first {}", type.full_name(),
                            reader.length());
  }
  return WireCost{reader.length(), reader.memory()};
}

// The densest are messages without content, which take two bytes each.
int64_t WorstCostOf(int64_t length) { return length * (kMessageBytes / 2); }

}  // namespace torchferry::rpc
