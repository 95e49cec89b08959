// What a message takes in memory, found out from its bytes before it is parsed.
#pragma once

#include <absl/status/statusor.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/zero_copy_stream.h>

#include <cstdint>

namespace torchferry::rpc {

// Fields of a message, with those of the messages in it. Elements of a packed field are not counted.
constexpr int64_t kMaxFields = 65536;

struct WireCost {
  int64_t length = 0;  // bytes on the wire
  int64_t memory = 0;  // at most, once parsed: bytes on the wire as well as what protobuf makes of short ones
};

// Reads all of `in`, whose message is a `type`. INVALID_ARGUMENT for bytes that are no message, or have more than
// kMaxFields fields; RESOURCE_EXHAUSTED for more than `max_length` bytes. It keeps nothing, and skips what is long.
absl::StatusOr<WireCost> CostOf(google::protobuf::io::ZeroCopyInputStream& in, const google::protobuf::Descriptor& type,
                                int64_t max_length);

// At most, for any message of so many bytes.
int64_t WorstCostOf(int64_t length);

}  // namespace torchferry::rpc
