#include "server/rpc/transport/outgoing.h"

#include <iterator>
#include <utility>

namespace torchferry::rpc {
namespace {

constexpr uint32_t kLengthDelimited = 2;

using Owner = std::shared_ptr<const void>;

void DropOwner(void* owner) { delete static_cast<Owner*>(owner); }

}  // namespace

void OutgoingMessage::Add(const google::protobuf::MessageLite& part) {
  const size_t before = open_.size();
  part.AppendToString(&open_);
  size_ += open_.size() - before;
}

void OutgoingMessage::AddString(int field, std::string_view value) {
  AddPrefix(field, value.size());
  open_ += value;
  size_ += value.size();
}

void OutgoingMessage::AddBytes(int field, std::span<const std::byte> bytes, const Owner& owner) {
  if (bytes.size() < kSharedBytes || owner == nullptr) {
    return AddString(field, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  }
  AddPrefix(field, bytes.size());
  EndSlice();
  auto keeper = std::make_unique<Owner>(owner);
  // gRPC does not write to what it sends.
  auto* data = const_cast<std::byte*>(bytes.data());  // NOLINT(cppcoreguidelines-pro-type-const-cast)
  slices_.emplace_back(data, bytes.size(), &DropOwner, keeper.get());
  static_cast<void>(keeper.release());
  size_ += bytes.size();
}

void OutgoingMessage::AddMessage(int field, OutgoingMessage message) {
  AddPrefix(field, message.size_);
  size_ += message.size_;
  if (message.slices_.empty()) {
    open_ += message.open_;
    return;
  }
  EndSlice();
  std::move(message.slices_.begin(), message.slices_.end(), std::back_inserter(slices_));
  open_ = std::move(message.open_);
}

void OutgoingMessage::AddPrefix(int field, size_t length) {
  const size_t before = open_.size();
  AddVarint(static_cast<uint32_t>(field) << 3 | kLengthDelimited);
  AddVarint(length);
  size_ += open_.size() - before;
}

void OutgoingMessage::AddVarint(uint64_t value) {
  for (; value >= 128; value >>= 7) open_ += static_cast<char>(value | 128);
  open_ += static_cast<char>(value);
}

void OutgoingMessage::EndSlice() {
  if (open_.empty()) return;
  slices_.emplace_back(open_);
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
