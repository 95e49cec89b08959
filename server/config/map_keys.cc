#include "server/config/map_keys.h"

namespace torchferry::config {

std::vector<MapKey> MapKeys(const google::protobuf::Message& message, std::string_view field,
                            const TextPositions& positions) {
  const auto* descriptor = message.GetDescriptor()->FindFieldByName(std::string(field));
  const auto& reflection = *message.GetReflection();
  std::vector<MapKey> keys;
  for (int i = 0; i < reflection.FieldSize(message, descriptor); ++i) {
    const auto& entry = reflection.GetRepeatedMessage(message, descriptor, i);
    keys.push_back({entry.GetReflection()->GetString(entry, entry.GetDescriptor()->map_key()), positions.Of(field, i)});
  }
  return keys;
}

}  // namespace torchferry::config
