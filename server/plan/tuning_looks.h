// The measurements of a search for the fastest way to run a model. Pure.
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

// One way to run a model.
struct TuningPoint {
  std::string variant;  // how the graph is prepared; one of TuningVariants()
  int threads = 1;      // used by an operator
  int64_t rows = 1;     // of a batch
  auto operator<=>(const TuningPoint&) const = default;
};

// All ways. The first entry of each list is the simplest.
struct TuningSpace {
  std::vector<std::string> variants;
  std::vector<int> threads;   // ascending
  std::vector<int64_t> rows;  // ascending
  // Whether a batch that runs alone may run another way than batches that run at the same time.
  bool may_have_latency_point = false;
  // With this number of threads one worker takes all processors, and both loads are the same. 0: no number does.
  int threads_of_one_worker = 0;

  size_t size() const { return variants.size() * threads.size() * rows.size(); }
};

// The load under which a way is measured.
enum class TuningLoad {
  kFull,   // as many workers run it at the same time as the processors allow with its threads
  kAlone,  // one worker runs it, and the others idle
};

struct TuningLook {
  double rows_per_second = 0;  // sum of all workers that ran
  bool is_disturbed = false;   // other work took processors: the way has this speed or more
  // Upper bound of the way's speed in a disturbed look. 0: not known.
  double max_rows_per_second = 0;
};

// The looks at one way under one load. A disturbance makes a look slower, so the fastest look is the nearest to the
// truth.
class TuningEvidence {
 public:
  void Add(const std::optional<TuningLook>& look);
  void ForgetDisturbed();

  bool runs() const { return runs_; }
  // Rows per second of the best look. 0: the way was not tried, or does not run.
  double rate() const { return runs_ ? std::max(best_, best_disturbed_) : 0; }
  // The number of looks that count. The first disturbed one does not count: it is repeated.
  int looks() const { return clean_ + (disturbed_ > 1 ? disturbed_ - 1 : 0); }
  bool was_tried() const { return !runs_ || clean_ + disturbed_ > 0; }
  bool is_disturbed() const { return runs_ && clean_ == 0 && disturbed_ > 0; }
  // Whether all looks were disturbed, and the way may still reach `rate`.
  bool MayReach(double rate) const { return is_disturbed() && (max_ <= 0 || max_ >= rate); }
  // Whether its two best looks differ by less than `share`. Another look would then tell nothing new.
  bool AgreesWithin(double share) const;

 private:
  bool runs_ = true;
  int clean_ = 0;
  int disturbed_ = 0;
  double best_ = 0;  // the best of the clean looks; second_ is the next best
  double second_ = 0;
  double best_disturbed_ = 0;
  double max_ = 0;  // bound by the disturbed looks; 0: not known
};

class TuningLooks {
 public:
  // `look`: nothing if the way does not run.
  void Add(const TuningPoint& point, TuningLoad load, const std::optional<TuningLook>& look);

  // The evidence for a way; empty for one that was never tried.
  const TuningEvidence& At(const TuningPoint& point, TuningLoad load = TuningLoad::kFull) const;

  // Drops the disturbed looks, so that new ones replace them.
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
