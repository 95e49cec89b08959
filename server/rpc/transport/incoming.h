// A request's bytes, as gRPC hands them over: still compressed where the client compressed them.
#pragma once

#include <absl/status/statusor.h>
#include <google/protobuf/message.h>
#include <grpcpp/grpcpp.h>

#include <cstdint>

namespace torchferry::rpc {

// Whether finding out what `bytes` take, and parsing them, is no work for a thread that others wait for: it takes 0.1
// ms and more. A compressed message counts as what it may inflate to.
bool IsLarge(grpc::ByteBuffer& bytes);

// How much memory `bytes` take once they are a `type`, at most. It reads through what is not short, inflating in
// pieces, and keeps nothing. RESOURCE_EXHAUSTED for more than `max_length` bytes, inflated or not; INVALID_ARGUMENT for
// what is no such message, or no such compression.
absl::StatusOr<int64_t> MemoryOf(grpc::ByteBuffer& bytes, const google::protobuf::Descriptor& type, int64_t max_length);

// Fills `message`, which is empty, with `bytes` that MemoryOf has found fit, and drops these. INVALID_ARGUMENT where
// they are no such message after all, as by a text that is not UTF-8.
absl::Status ParseInto(grpc::ByteBuffer& bytes, google::protobuf::Message& message);

}  // namespace torchferry::rpc
