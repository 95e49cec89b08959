// An answer on its way out. Its long bytes stay where they are.
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

// A message in protobuf's wire format, built from pieces. Fields may come in any order, as protobuf reads them so. Not
// thread-safe.
class OutgoingMessage {
 public:
  // Bytes of at least this length stay where they lie, if they have an owner; copying shorter ones is cheaper.
  static constexpr size_t kSharedBytes = tensor::kLongBytes;

  // Adds the fields of `part`.
  void Add(const google::protobuf::MessageLite& part);
  // AddString and AddBytes add a field of type string or bytes.
  void AddString(int field, std::string_view value);
  void AddBytes(int field, std::span<const std::byte> bytes, const std::shared_ptr<const void>& owner);
  // AddNumber adds a field of type bool, int32, int64 or of an enumeration. AddNumbers adds one with several of them,
  // and AddDouble one of type double. Zero is sent, too: a oneof distinguishes it from no value.
  void AddNumber(int field, int64_t value);
  void AddNumbers(int field, std::span<const int64_t> values);
  void AddDouble(int field, double value);
  // Adds a field of type message, with the fields that `add` adds to this.
  template <typename Add>
  void AddMessage(int field, const Add& add) {
    const Place begin = Begin(field);
    add();
    End(begin);
  }

  bool is_empty() const { return size() == 0; }
  size_t size() const { return ended_ + open_.size(); }

  // Its slices keep shared bytes alive.
  grpc::ByteBuffer Take() &&;

 private:
  // Where a field's length will stand once it is known.
  struct Place {
    size_t slice = 0;  // the slice that it is in, or will be in
    size_t offset = 0;
    size_t size = 0;  // size of the message until there
  };

  void AddTag(int field, uint32_t wire_type);
  void AddVarint(uint64_t value) { AppendVarint(value, open_); }
  static void AppendVarint(uint64_t value, std::string& text);
  Place Begin(int field);
  void End(const Place& begin);
  void EndSlice();  // makes a slice of what was copied so far

  std::vector<grpc::Slice> slices_;
  size_t ended_ = 0;  // bytes of slices_
  std::string open_;  // copied bytes behind slices_
};

// Serializes `message` alone.
grpc::ByteBuffer Serialized(const google::protobuf::MessageLite& message);

}  // namespace torchferry::rpc
