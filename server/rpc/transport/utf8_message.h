// Protobuf's strings are UTF-8: a client refuses a whole message for one that is not.
#pragma once

#include <google/protobuf/message.h>

namespace torchferry::rpc {

// Writes out what is not UTF-8 in each string of `message` and of the messages in it, as base::ToUtf8 does. Costs a
// look at each field: for answers that say what files, folders and code are called, not for tensors, whose bytes are no
// strings. Keys of maps stay as they are.
void MakeUtf8(google::protobuf::Message& message);

}  // namespace torchferry::rpc
