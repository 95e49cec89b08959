// Computes the memory that a message takes, from its bytes, before it is parsed.
#pragma once

#include <absl/status/statusor.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/zero_copy_stream.h>

#include <cstdint>

namespace torchferry::rpc {

// Max fields of a message, with those of its nested messages. Elements of a packed field are not counted.
constexpr int64_t kMaxFields = 65536;

struct WireCost {
  int64_t length = 0;  // bytes on the wire
  int64_t memory = 0;  // max, once parsed: bytes on the wire, and protobuf's copies of short ones
};

// Reads all of `in`, whose message is a `type`. It keeps nothing, and skips long fields. INVALID_ARGUMENT: the bytes
// are no message, or have more than kMaxFields fields. RESOURCE_EXHAUSTED: more than `max_length` bytes.
absl::StatusOr<WireCost> CostOf(google::protobuf::io::ZeroCopyInputStream& in, const google::protobuf::Descriptor& type,
                                int64_t max_length);

// Max memory of any message of `length` bytes.
int64_t WorstCostOf(int64_t length);

}  // namespace torchferry::rpc
