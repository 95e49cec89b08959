// Finds the fastest way of running a model by trying. This code decides what is tried next (tuning_rules.h); other code
// runs it. Pure.
#pragma once

#include <functional>
#include <optional>

#include "server/plan/tuning_looks.h"
#include "server/plan/tuning_rules.h"
#include "server/plan/tuning_verdict.h"

namespace torchferry::plan {

// One search and its state. It may pause between looks for as long as its owner likes.
class TuningSearch {
 public:
  // `start` is a way that is probably good; it is tried first.
  explicit TuningSearch(TuningSpace space, std::optional<TuningPoint> start = std::nullopt);

  // The way to look at now. Nothing: the search has seen enough.
  std::optional<TuningQuestion> Next() const;

  // Adds the result of a look. Nothing: the way does not run.
  void Add(const TuningQuestion& question, const std::optional<TuningLook>& look);

  // Rows per second of the best way under `load`. 0: none was seen.
  double BestRate(TuningLoad load) const { return looks_.BestRate(load); }

  // The result of the looks so far. Nothing when no point has run.
  std::optional<TuningResult> Result() const;

  // Drops the disturbed looks, so that new ones replace them.
  void ForgetDisturbed();

 private:
  TuningSpace space_;
  std::optional<TuningPoint> start_;
  TuningLooks looks_;
};

// Runs a search from its beginning to its end. It calls `has_time` before each look, and stops when that is false.
// Returns the result of the looks until then.
std::optional<TuningResult> SearchTuning(TuningSearch& search,
                                         const std::function<std::optional<TuningLook>(const TuningQuestion&)>& measure,
                                         const std::function<bool()>& has_time);

}  // namespace torchferry::plan
