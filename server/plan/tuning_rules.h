// Decides the next look of a search from the looks so far. Pure: the same looks give the same question. A search may
// pause between two looks for any time. A new look may reopen a question that seemed decided.
#pragma once

#include <optional>

#include "server/plan/tuning_looks.h"

namespace torchferry::plan {

struct TuningQuestion {
  TuningPoint point;
  TuningLoad load = TuningLoad::kFull;
};

// The rules, in this order:
//   1. `start`, if given: a way that is probably good. Then all rules below run twice. The first time each way gets one
//      look, for a quick overview. The second time it gets two, because one may be wrong.
//   2. Each variant, one row at a time, with the fewest threads. A variant that is far behind gets no second look.
//   3. Alone, one row: the variants with more and more threads, while more threads gain.
//   4. The best variant with more and more rows, while these gain, and the other variants at its best row count.
//   5. The best variants with more threads at that row count, and all variants if these gain.
//   6. The second time, before all others: the ways that are nearly the best, in turns, until two looks at each agree.
//   7. Alone, one row: the throughput point. Alone, two rows: whether the latency point is the best there, too.
// Nothing: the search has seen enough.
std::optional<TuningQuestion> NextQuestion(const TuningSpace& space, const TuningLooks& looks,
                                           const std::optional<TuningPoint>& start);

// The number of points that were tried, or that other points have shown not to win, while the search runs.
int JudgedPoints(const TuningSpace& space, const TuningLooks& looks);

}  // namespace torchferry::plan
