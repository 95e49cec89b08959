// The number of files and connections that this process may have open.
#pragma once

#include <cstdint>

namespace torchferry::base {

// Raises the limit as far as a process without privileges may. Programs that start a process often leave it at 1024,
// for old programs' sake. Returns the limit then; 0 when it cannot be known.
uint64_t RaiseFileLimit();

// The limit now; 0 when it cannot be known.
uint64_t FileLimit();

}  // namespace torchferry::base
