// Which connection makes room when there are too many.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace torchferry::http {

// What a connection is at, from the one that is missed least to the one that is missed most.
enum class Stage : uint8_t {
  kEnding,     // answered for the last time
  kIdle,       // between requests
  kReading,    // its request is on the way
  kAnswering,  // its request has come
};

struct Occupant {
  uint64_t id = 0;
  std::string peer;  // base/peer_group.h
  Stage stage = Stage::kReading;
  uint64_t since = 0;  // when it came to this stage: a number that grows
};

// The id of the connection to be closed, none without `occupants`. It is one of the peer that has most of them, so that
// who opens many loses its own; of these the one that is missed least, and then the one that has been at its stage
// longest. A probe among a peer's many connections is the newest of them, and is answered before it would be its turn.
std::optional<uint64_t> ChooseToClose(std::span<const Occupant> occupants);

}  // namespace torchferry::http
