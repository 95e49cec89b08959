// Protobuf's strings are UTF-8: a client refuses a whole message for one that is not.
#pragma once

#include <google/protobuf/message.h>

namespace torchferry::rpc {

// Writes out bytes that are not UTF-8, in each string of `message` and of its nested messages, as base::ToUtf8 does. It
// visits each field, so it is for answers with names of files, folders and code. It is not for tensors, whose bytes are
// no strings. Keys of maps stay as they are.
void MakeUtf8(google::protobuf::Message& message);

}  // namespace torchferry::rpc
