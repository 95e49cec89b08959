// The output of logging.h's lines: to stderr, at once, or over a queue that no thread waits for.
#pragma once

#include <cstdint>

#include "server/base/clock.h"

namespace torchferry::base {

// From now on a thread writes the lines, so that a reader of stderr that stops reading blocks no other thread. Lines
// are dropped then, and a line says how many. Where stderr is a regular file, which needs no reader, lines are still
// written at once. Call it once, before there are other threads. Later calls do nothing.
void StartLogQueue();

// Waits until every line is written, for at most `most`. Returns whether they are. Always true without a queue.
bool FlushLog(Duration most);

// The number of lines that were never written.
uint64_t DroppedLogLines();

}  // namespace torchferry::base
