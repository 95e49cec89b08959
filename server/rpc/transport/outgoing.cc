#include "server/rpc/transport/outgoing.h"

#include <bit>
#include <utility>

namespace torchferry::rpc {
namespace {

constexpr uint32_t kVarintType = 0;
constexpr uint32_t kFixed64Type = 1;
constexpr uint32_t kLengthDelimitedType = 2;

// A small answer fits into this: one allocation for it.
constexpr size_t kFirstBytes = 240;

using Owner = std::shared_ptr<const void>;

void DropOwner(void* owner) { delete static_cast<Owner*>(owner); }

std::string_view TextOf(const grpc::Slice& slice) {
  return {reinterpret_cast<const char*>(slice.begin()), slice.size()};
}

}  // namespace

void OutgoingMessage::Add(const google::protobuf::MessageLite& part) { part.AppendToString(&open_); }

void OutgoingMessage::AddString(int field, std::string_view value) {
  AddTag(field, kLengthDelimitedType);
  AddVarint(value.size());
  open_ += value;
}

void OutgoingMessage::AddBytes(int field, std::span<const std::byte> bytes, const Owner& owner) {
  if (bytes.size() < kSharedBytes || owner == nullptr) {
    return AddString(field, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  }
  AddTag(field, kLengthDelimitedType);
  AddVarint(bytes.size());
  EndSlice();
  auto keeper = std::make_unique<Owner>(owner);
  // gRPC does not write to what it sends.
  auto* data = const_cast<std::byte*>(bytes.data());  // NOLINT(cppcoreguidelines-pro-type-const-cast)
  slices_.emplace_back(data, bytes.size(), &DropOwner, keeper.get());
  static_cast<void>(keeper.release());
  ended_ += bytes.size();
}

void OutgoingMessage::AddNumber(int field, int64_t value) {
  AddTag(field, kVarintType);
  AddVarint(static_cast<uint64_t>(value));
}

void OutgoingMessage::AddNumbers(int field, std::span<const int64_t> values) {
  AddMessage(field, [&] {
    for (const int64_t value : values) AddVarint(static_cast<uint64_t>(value));
  });
}

void OutgoingMessage::AddDouble(int field, double value) {
  AddTag(field, kFixed64Type);
  const auto bits = std::bit_cast<uint64_t>(value);
  for (int shift = 0; shift < 64; shift += 8) open_ += static_cast<char>(bits >> shift);
}

void OutgoingMessage::AddTag(int field, uint32_t wire_type) {
  if (open_.capacity() < kFirstBytes) open_.reserve(kFirstBytes);
  AddVarint(static_cast<uint32_t>(field) << 3 | wire_type);
}

void OutgoingMessage::AppendVarint(uint64_t value, std::string& text) {
  for (; value >= 128; value >>= 7) text += static_cast<char>(value | 128);
  text += static_cast<char>(value);
}

OutgoingMessage::Place OutgoingMessage::Begin(int field) {
  AddTag(field, kLengthDelimitedType);
  return {.slice = slices_.size(), .offset = open_.size(), .size = size()};
}

void OutgoingMessage::End(const Place& begin) {
  std::string length;
  AppendVarint(size() - begin.size, length);
  if (begin.slice == slices_.size()) {
    open_.insert(begin.offset, length);
    return;
  }
  grpc::Slice& slice = slices_[begin.slice];
  std::string text(TextOf(slice));
  text.insert(begin.offset, length);
  slice = grpc::Slice(text);
  ended_ += length.size();
}

void OutgoingMessage::EndSlice() {
  if (open_.empty()) return;
  slices_.emplace_back(open_);
  ended_ += open_.size();
  open_.clear();
}

grpc::ByteBuffer OutgoingMessage::Take() && {
  if (slices_.empty()) {
    const grpc::Slice only(open_);
    return grpc::ByteBuffer(&only, 1);
  }
  EndSlice();
  return grpc::ByteBuffer(slices_.data(), slices_.size());
}

grpc::ByteBuffer Serialized(const google::protobuf::MessageLite& message) {
  const grpc::Slice slice(message.ByteSizeLong());
  message.SerializeWithCachedSizesToArray(const_cast<uint8_t*>(slice.begin()));
  return grpc::ByteBuffer(&slice, 1);
}

}  // namespace torchferry::rpc
