// What the looks of a search say: the fastest way under full load, and the one that answers a row soonest. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/plan/tuning_looks.h"

namespace torchferry::plan {

// Ways under full load that have this share of the best rate are as good.
inline constexpr double kAsGood = 0.98;

// How one batch that runs alone is answered soonest.
struct TuningLatency {
  std::string variant;
  int threads = 1;
  int64_t max_rows = 1;           // up to which this is the best way: 1 or 2
  double seconds = 0;             // that one row takes so
  double throughput_seconds = 0;  // that one row takes alone at the throughput point
};

struct TuningResult {
  TuningPoint best;  // the throughput point
  double rows_per_second = 0;
  // Of the first variant with the first number of threads, at its own best row count.
  double simplest_rows_per_second = 0;
  // Nothing: the throughput point is as good, but for 3 %. It has another variant than the throughput point only where
  // that gains 5 %, as it costs a second copy of the weights.
  std::optional<TuningLatency> latency = std::nullopt;
  int tried = 0;               // points, of space.size()
  int judged = 0;              // points that were tried, or that others have shown not to win
  bool is_complete = false;    // false: more would be tried
  bool is_disturbed = false;   // other work took processors from what decides, or looks at the best do not agree
  bool are_rows_open = false;  // the search ended before more rows than best.rows were tried
  // All that was tried under full load, with the best rate seen.
  std::vector<std::pair<TuningPoint, double>> rates = {};
};

// Under full load: with the fewest threads that come within 8 % of the best. Of the ways with so many that are as good
// as the best of them, but for 2 %, the one with the fewest rows and the simplest variant. Nothing: none has run.
std::optional<TuningPoint> ThroughputPoint(const TuningSpace& space, const TuningLooks& looks);

// The way that answers one row soonest where it runs alone, or `throughput` where that is as good, but for 3 %.
// Nothing: none was tried.
std::optional<TuningPoint> LatencyPoint(const TuningSpace& space, const TuningLooks& looks,
                                        const TuningPoint& throughput);

// All but `judged` and `is_complete`. Nothing: no point has run.
std::optional<TuningResult> VerdictOf(const TuningSpace& space, const TuningLooks& looks);

}  // namespace torchferry::plan
