// What a search for the fastest way to run a model has measured so far. Pure.
#pragma once

#include <algorithm>
#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace torchferry::plan {

// One way.
struct TuningPoint {
  std::string variant;  // how the graph is prepared; one of TuningVariants()
  int threads = 1;      // that an operator uses
  int64_t rows = 1;     // of a batch
  auto operator<=>(const TuningPoint&) const = default;
};

// All that there are. Each list's first entry is the simplest.
struct TuningSpace {
  std::vector<std::string> variants;
  std::vector<int> threads;   // ascending
  std::vector<int64_t> rows;  // ascending
  // Whether a batch that runs alone may run in another way than many that run at the same time.
  bool may_have_latency_point = false;
  // With so many threads one worker takes all processors, so that both loads are the same. 0: never.
  int threads_of_one_worker = 0;

  size_t size() const { return variants.size() * threads.size() * rows.size(); }
};

// What is measured of a way.
enum class TuningLoad {
  kFull,   // so many workers run it at the same time as its threads leave processors for
  kAlone,  // one worker runs it, and the others idle
};

struct TuningLook {
  double rows_per_second = 0;  // of all workers that ran
  bool is_disturbed = false;   // other work took processors from it: the way is as fast as that or faster
  // Where it is disturbed: the way is not faster than that. 0: nobody knows.
  double max_rows_per_second = 0;
};

// The looks at one way under one load. What disturbs a look slows it down, so the best look is the nearest to the
// truth.
class TuningEvidence {
 public:
  void Add(const std::optional<TuningLook>& look);
  void ForgetDisturbed();

  bool runs() const { return runs_; }
  // Rows per second, the best look's; 0: it was not tried, or does not run.
  double rate() const { return runs_ ? std::max(best_, best_disturbed_) : 0; }
  // Looks that count. The first disturbed one does not: it is repeated.
  int looks() const { return clean_ + (disturbed_ > 1 ? disturbed_ - 1 : 0); }
  bool was_tried() const { return !runs_ || clean_ + disturbed_ > 0; }
  bool is_disturbed() const { return runs_ && clean_ == 0 && disturbed_ > 0; }
  // Whether it was only seen disturbed and may nevertheless reach `rate`.
  bool MayReach(double rate) const { return is_disturbed() && (max_ <= 0 || max_ >= rate); }
  // Whether its two best looks agree, so that another one would tell nothing new.
  bool AgreesWithin(double share) const;

 private:
  bool runs_ = true;
  int clean_ = 0;
  int disturbed_ = 0;
  double best_ = 0;  // of the clean looks, and the next best
  double second_ = 0;
  double best_disturbed_ = 0;
  double max_ = 0;  // by the disturbed looks; 0: nobody knows
};

class TuningLooks {
 public:
  // Nothing: the way does not run.
  void Add(const TuningPoint& point, TuningLoad load, const std::optional<TuningLook>& look);

  // Of a way that was never tried: an empty one.
  const TuningEvidence& At(const TuningPoint& point, TuningLoad load = TuningLoad::kFull) const;

  // Drops the looks that were disturbed, so that others take their place.
  void ForgetDisturbed();

  // The ways that run under `load` and reach `share` of the best rate, the fastest first.
  std::vector<TuningPoint> Best(TuningLoad load, double share) const;
  double BestRate(TuningLoad load = TuningLoad::kFull) const;

  const std::map<TuningPoint, TuningEvidence>& Of(TuningLoad load) const;

 private:
  std::map<TuningPoint, TuningEvidence> full_;
  std::map<TuningPoint, TuningEvidence> alone_;
};

}  // namespace torchferry::plan
