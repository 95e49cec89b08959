// An answer on its way out: its bytes, of which the long ones stay where they are.
#pragma once

#include <google/protobuf/message_lite.h>
#include <grpcpp/grpcpp.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/tensor/long_bytes.h"

namespace torchferry::rpc {

// A message of protobuf's wire format, put together from pieces. Fields may come in any order, as protobuf reads them
// so. Not thread-safe.
class OutgoingMessage {
 public:
  // Bytes of at least this length stay where they lie, if somebody owns them; copying shorter ones is cheaper.
  static constexpr size_t kSharedBytes = tensor::kLongBytes;

  // The fields of `part`.
  void Add(const google::protobuf::MessageLite& part);
  // A field of type string, bytes or message, whose content follows.
  void AddString(int field, std::string_view value);
  void AddBytes(int field, std::span<const std::byte> bytes, const std::shared_ptr<const void>& owner);
  void AddMessage(int field, OutgoingMessage message);

  bool is_empty() const { return size_ == 0; }
  size_t size() const { return size_; }

  // Its slices keep alive what is shared.
  grpc::ByteBuffer Take() &&;

 private:
  void AddPrefix(int field, size_t length);
  void AddVarint(uint64_t value);
  void EndSlice();  // what was copied so far is one

  std::vector<grpc::Slice> slices_;
  std::string open_;  // behind them
  size_t size_ = 0;
};

// `message` alone.
grpc::ByteBuffer Serialized(const google::protobuf::MessageLite& message);

}  // namespace torchferry::rpc
