// The keys of a map field with their places: protobuf's maps forget the order in which a file gives
// them.
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

// The string keys of `message`'s map `field` in the file's order, repeated ones included. `message`
// is as the parser left it or moved from there; a copy has lost the order.
std::vector<MapKey> MapKeys(const google::protobuf::Message& message, std::string_view field,
                            const TextPositions& positions);

}  // namespace torchferry::config
