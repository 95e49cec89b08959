// What a search looks at next, by what it has seen. Pure: the same looks give the same question, so that a search may
// pause between two looks for as long as it likes, and a new look may reopen what seemed decided.
#pragma once

#include <optional>

#include "server/plan/tuning_looks.h"

namespace torchferry::plan {

struct TuningQuestion {
  TuningPoint point;
  TuningLoad load = TuningLoad::kFull;
};

// In this order:
//   1. `start`, where there is one: a way that is probably good. Then all of these twice: with one look at each way, so
//      that much is seen soon, and with two, as one may be wrong.
//   2. Each variant, one row at a time, with the fewest threads. One that is far behind is not looked at again.
//   3. Alone, one row: the variants with ever more threads, while more threads gain.
//   4. The best variant with ever more rows, while these gain, and the other variants where it is best.
//   5. The best variants with more threads there; all, where these gain by them.
//   6. The second time, before all else: what is nearly the best, in turns, until two looks at each agree.
//   7. Alone, one row: the throughput point; two rows: whether the latency point is the best there, too.
// Nothing: enough was seen.
std::optional<TuningQuestion> NextQuestion(const TuningSpace& space, const TuningLooks& looks,
                                           const std::optional<TuningPoint>& start);

// Points that were tried, or that others have shown not to win, while the search goes on.
int JudgedPoints(const TuningSpace& space, const TuningLooks& looks);

}  // namespace torchferry::plan
