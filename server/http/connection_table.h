// The choice of the connection that is closed when there are too many.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace torchferry::http {

// The stage of a connection, from the one that is missed least to the one that is missed most.
enum class Stage : uint8_t {
  kEnding,     // answered for the last time
  kIdle,       // between requests
  kReading,    // its request is arriving
  kAnswering,  // its request has arrived
};

struct Occupant {
  uint64_t id = 0;
  std::string peer;  // base/peer_group.h
  Stage stage = Stage::kReading;
  uint64_t since = 0;  // when it entered this stage: a number that grows
};

// The id of the connection to close; nullopt without `occupants`. It belongs to the peer that has the most connections,
// so a client that opens many loses its own. Among that peer's, it is the one at the lowest stage; among equals, the
// one that has been there longest. A probe among a peer's many connections is the newest of them, and is answered
// before its turn to be closed.
std::optional<uint64_t> ChooseToClose(std::span<const Occupant> occupants);

}  // namespace torchferry::http
