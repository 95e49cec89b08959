// Evaluates the looks of a search: the fastest way under full load, and the way that answers one row soonest. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/plan/tuning_looks.h"

namespace torchferry::plan {

// Ways under full load that reach this share of the best rate count as equally good.
inline constexpr double kAsGood = 0.98;

// The way that answers one batch that runs alone soonest.
struct TuningLatency {
  std::string variant;
  int threads = 1;
  int64_t max_rows = 1;           // max rows for which this is the best way: 1 or 2
  double seconds = 0;             // time of one row, alone
  double throughput_seconds = 0;  // time of one row at the throughput point, alone
};

struct TuningResult {
  TuningPoint best;  // the throughput point
  double rows_per_second = 0;
  // The rate of the first variant with the first number of threads, at its best row count.
  double simplest_rows_per_second = 0;
  // Nothing: the throughput point is as good, within 3 %. Another variant than the throughput point's must gain 5 %,
  // because it costs a second copy of the weights.
  std::optional<TuningLatency> latency = std::nullopt;
  int tried = 0;               // points, of space.size()
  int judged = 0;              // points that were tried, or that others have shown not to win
  bool is_complete = false;    // false: the search would try more
  bool is_disturbed = false;   // other work took processors from looks that decide, or looks at the best do not agree
  bool are_rows_open = false;  // the search ended before more rows than best.rows were tried
  // All ways that ran under full load, with their best rates.
  std::vector<std::pair<TuningPoint, double>> rates = {};
};

// The best way under full load. It has the fewest threads that come within 8 % of the best rate. Among the ways with
// these threads and within 2 % of the best of them, it has the fewest rows, then the simplest variant. Nothing: no way
// has run.
std::optional<TuningPoint> ThroughputPoint(const TuningSpace& space, const TuningLooks& looks);

// The way that answers one row soonest when it runs alone, or `throughput` where that is as good, within 3 %. Nothing:
// no way was tried.
std::optional<TuningPoint> LatencyPoint(const TuningSpace& space, const TuningLooks& looks,
                                        const TuningPoint& throughput);

// Fills all fields but `judged` and `is_complete`. Nothing: no point has run.
std::optional<TuningResult> VerdictOf(const TuningSpace& space, const TuningLooks& looks);

}  // namespace torchferry::plan
