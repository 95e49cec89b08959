#include "server/http/connection_table.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <tuple>

namespace torchferry::http {

std::optional<uint64_t> ChooseToClose(std::span<const Occupant> occupants) {
  std::map<std::string_view, size_t> connections;
  for (const Occupant& occupant : occupants) ++connections[occupant.peer];
  size_t most = 0;
  for (const auto& [peer, count] : connections) most = std::max(most, count);
  const Occupant* chosen = nullptr;
  for (const Occupant& occupant : occupants) {
    if (connections[occupant.peer] != most) continue;
    if (chosen == nullptr || std::tie(occupant.stage, occupant.since) < std::tie(chosen->stage, chosen->since)) {
      chosen = &occupant;
    }
  }
  if (chosen == nullptr) return std::nullopt;
  return chosen->id;
}

}  // namespace torchferry::http
