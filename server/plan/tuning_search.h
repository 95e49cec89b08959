// Which way of running a model is the fastest, found by trying: what is tried next is decided here, how it is tried
// elsewhere. Pure.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace torchferry::plan {

// One way.
struct TuningPoint {
  std::string variant;  // how the graph is prepared; one of TuningVariants()
  int threads = 1;      // that an operator uses; so many workers run at the same time as the processors allow
  int64_t rows = 1;     // of a batch
  auto operator<=>(const TuningPoint&) const = default;
};

// All that there are. Each list's first entry is the simplest.
struct TuningSpace {
  std::vector<std::string> variants;
  std::vector<int> threads;
  std::vector<int64_t> rows;  // ascending

  size_t size() const { return variants.size() * threads.size() * rows.size(); }
};

struct TuningResult {
  TuningPoint best;
  double rows_per_second = 0;
  double simplest_rows_per_second =
      0;                       // of the first variant with the first number of threads, at its own best row count
  int tried = 0;               // points, of space.size()
  bool is_complete = false;    // false: the time was over
  bool are_rows_open = false;  // before more rows than best.rows were tried
  // All that was tried, with the best rate seen.
  std::vector<std::pair<TuningPoint, double>> rates;
};

// `measure` gives rows per second, all workers together; nothing where the point does not run: a variant that does not
// run at first is left out, a row count that does not run is the end in its direction. `has_time` is asked before each.
//
// Every variant is tried at a middling row count, the best with other thread counts, and the best of these at smaller
// and larger row counts while these gain. The last few are tried again, in turns. Of those that are as good as the
// best, but for 2 %, the one with the fewest rows, the fewest threads and the simplest variant is taken. Rates are the
// best of several tries, as what disturbs a measurement slows it down. Nothing when no point runs.
std::optional<TuningResult> SearchTuning(const TuningSpace& space,
                                         const std::function<std::optional<double>(const TuningPoint&)>& measure,
                                         const std::function<bool()>& has_time);

}  // namespace torchferry::plan
