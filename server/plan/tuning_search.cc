#include "server/plan/tuning_search.h"

#include <utility>

namespace torchferry::plan {

TuningSearch::TuningSearch(TuningSpace space, std::optional<TuningPoint> start)
    : space_(std::move(space)), start_(std::move(start)) {}

std::optional<TuningQuestion> TuningSearch::Next() const { return NextQuestion(space_, looks_, start_); }

void TuningSearch::Add(const TuningQuestion& question, const std::optional<TuningLook>& look) {
  const bool has_one_worker =
      space_.threads_of_one_worker > 0 && question.point.threads >= space_.threads_of_one_worker;
  for (const TuningLoad load : {TuningLoad::kFull, TuningLoad::kAlone}) {
    if (load == question.load || has_one_worker) looks_.Add(question.point, load, look);
  }
}

std::optional<TuningResult> TuningSearch::Result() const {
  std::optional<TuningResult> result = VerdictOf(space_, looks_);
  if (!result.has_value()) return result;
  result->is_complete = !Next().has_value();
  result->judged = result->is_complete ? static_cast<int>(space_.size()) : JudgedPoints(space_, looks_);
  return result;
}

void TuningSearch::ForgetDisturbed() { looks_.ForgetDisturbed(); }

std::optional<TuningResult> SearchTuning(TuningSearch& search,
                                         const std::function<std::optional<TuningLook>(const TuningQuestion&)>& measure,
                                         const std::function<bool()>& has_time) {
  while (const std::optional<TuningQuestion> question = search.Next()) {
    if (!has_time()) break;
    search.Add(*question, measure(*question));
  }
  return search.Result();
}

}  // namespace torchferry::plan
