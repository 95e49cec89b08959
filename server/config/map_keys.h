// The keys of a map field with their places. The maps of protobuf do not keep the order of the file.
#pragma once

#include <google/protobuf/message.h>

#include <string>
#include <string_view>
#include <vector>

#include "server/config/text_positions.h"

namespace torchferry::config {

struct MapKey {
  std::string key;
  TextPosition at;
};

// The string keys of `message`'s map `field` in the file's order, including repeated ones. `message` must be the
// parser's own, or moved from it; a copy has lost the order.
std::vector<MapKey> MapKeys(const google::protobuf::Message& message, std::string_view field,
                            const TextPositions& positions);

}  // namespace torchferry::config
