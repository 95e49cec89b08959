// How many files and connections this process may have open.
#pragma once

#include <cstdint>

namespace torchferry::base {

// Raises the limit as far as it may be raised without rights, as who starts a process often leaves it at 1024 for old
// programs' sake. What it is then.
uint64_t RaiseFileLimit();

// What it is now; 0 when that cannot be known.
uint64_t FileLimit();

}  // namespace torchferry::base
