// Which way of running a model is the fastest, found by trying: what is tried next is decided here (tuning_rules.h),
// how it is tried elsewhere. Pure.
#pragma once

#include <functional>
#include <optional>

#include "server/plan/tuning_looks.h"
#include "server/plan/tuning_rules.h"
#include "server/plan/tuning_verdict.h"

namespace torchferry::plan {

// One search, as far as it has come. It may pause between looks for as long as its owner likes.
class TuningSearch {
 public:
  // `start`: a way that is probably good; it is tried first.
  explicit TuningSearch(TuningSpace space, std::optional<TuningPoint> start = std::nullopt);

  // What to look at now; nothing: enough was seen.
  std::optional<TuningQuestion> Next() const;

  // What a look has shown; nothing: the way does not run.
  void Add(const TuningQuestion& question, const std::optional<TuningLook>& look);

  // Rows per second, of any way under `load`; 0: none was seen.
  double BestRate(TuningLoad load) const { return looks_.BestRate(load); }

  // By what was seen so far. Nothing when no point has run.
  std::optional<TuningResult> Result() const;

  // Drops the looks that were disturbed, so that others take their place.
  void ForgetDisturbed();

 private:
  TuningSpace space_;
  std::optional<TuningPoint> start_;
  TuningLooks looks_;
};

// From its beginning to its end. `has_time` is asked before each look; the result is that of what was seen until then.
std::optional<TuningResult> SearchTuning(TuningSearch& search,
                                         const std::function<std::optional<TuningLook>(const TuningQuestion&)>& measure,
                                         const std::function<bool()>& has_time);

}  // namespace torchferry::plan
