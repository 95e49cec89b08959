// Reads outgoing messages back as a client does, for the tests.
#pragma once

#include <google/protobuf/message.h>
#include <grpcpp/support/proto_buffer_reader.h>

#include <utility>

#include "server/rpc/transport/outgoing.h"

namespace torchferry::rpc {

inline bool ReadBack(grpc::ByteBuffer bytes, google::protobuf::Message& into) {
  grpc::ProtoBufferReader reader(&bytes);
  return into.ParseFromZeroCopyStream(&reader);
}

inline bool ReadBack(OutgoingMessage message, google::protobuf::Message& into) {
  return ReadBack(std::move(message).Take(), into);
}

}  // namespace torchferry::rpc
