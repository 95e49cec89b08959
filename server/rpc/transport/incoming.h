// A request's bytes, as gRPC delivers them: still compressed where the client compressed them.
#pragma once

#include <absl/status/statusor.h>
#include <google/protobuf/message.h>
#include <grpcpp/grpcpp.h>

#include <cstdint>

namespace torchferry::rpc {

// Whether measuring and parsing `bytes` takes 0.1 ms or more, too long for a thread that others wait for. A compressed
// message counts with the size that it may inflate to.
bool IsLarge(grpc::ByteBuffer& bytes);

// Max memory that `bytes` take once parsed as a `type`. It reads through messages that are not short, inflates them in
// pieces, and keeps nothing. RESOURCE_EXHAUSTED: more than `max_length` bytes, inflated or not. INVALID_ARGUMENT: the
// bytes are no such message, or cannot be inflated.
absl::StatusOr<int64_t> MemoryOf(grpc::ByteBuffer& bytes, const google::protobuf::Descriptor& type, int64_t max_length);

// Parses `bytes`, which MemoryOf has accepted, into the empty `message`, and drops them. INVALID_ARGUMENT: they are no
// such message after all, for example because a text is not UTF-8.
absl::Status ParseInto(grpc::ByteBuffer& bytes, google::protobuf::Message& message);

}  // namespace torchferry::rpc
