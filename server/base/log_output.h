// Where the lines of logging.h go: to stderr, at once, or over a queue that nobody waits for.
#pragma once

#include <cstdint>

#include "server/base/clock.h"

namespace torchferry::base {

// From now on a thread writes the lines, and a reader of stderr that stops reading holds nobody up: lines are dropped
// then, and a line says how many. Where stderr is a regular file, which needs no reader, lines go out at once as
// before. Once, before there are other threads. Later calls do nothing.
void StartLogQueue();

// Waits until every line is out, for `most` at most. Whether it is. Without a queue it always is.
bool FlushLog(Duration most);

// Lines that never went out.
uint64_t DroppedLogLines();

}  // namespace torchferry::base
