#include "server/plan/tuning_looks.h"

#include <algorithm>

namespace torchferry::plan {

void TuningEvidence::Add(const std::optional<TuningLook>& look) {
  if (!look.has_value()) {
    runs_ = false;
    return;
  }
  if (look->is_disturbed) {
    ++disturbed_;
    best_disturbed_ = std::max(best_disturbed_, look->rows_per_second);
    const double most = look->max_rows_per_second;
    if (most > 0) max_ = max_ > 0 ? std::min(max_, most) : most;
    return;
  }
  ++clean_;
  second_ = std::max(second_, std::min(best_, look->rows_per_second));
  best_ = std::max(best_, look->rows_per_second);
}

bool TuningEvidence::AgreesWithin(double share) const {
  const double next = best_disturbed_ > best_ ? best_ : second_;
  return next > 0 && next >= (1 - share) * rate();
}

void TuningEvidence::ForgetDisturbed() {
  disturbed_ = 0;
  best_disturbed_ = 0;
  max_ = 0;
}

void TuningLooks::Add(const TuningPoint& point, TuningLoad load, const std::optional<TuningLook>& look) {
  (load == TuningLoad::kFull ? full_ : alone_)[point].Add(look);
}

const TuningEvidence& TuningLooks::At(const TuningPoint& point, TuningLoad load) const {
  static const TuningEvidence kNone;
  const auto found = Of(load).find(point);
  return found == Of(load).end() ? kNone : found->second;
}

void TuningLooks::ForgetDisturbed() {
  for (auto* ways : {&full_, &alone_}) {
    for (auto& [point, evidence] : *ways) evidence.ForgetDisturbed();
  }
}

std::vector<TuningPoint> TuningLooks::Best(TuningLoad load, double share) const {
  const double least = share * BestRate(load);
  std::vector<TuningPoint> points;
  for (const auto& [point, evidence] : Of(load)) {
    if (evidence.rate() > 0 && evidence.rate() >= least) points.push_back(point);
  }
  std::ranges::stable_sort(points, std::ranges::greater(),
                           [&](const TuningPoint& point) { return At(point, load).rate(); });
  return points;
}

double TuningLooks::BestRate(TuningLoad load) const {
  double best = 0;
  for (const auto& [point, evidence] : Of(load)) best = std::max(best, evidence.rate());
  return best;
}

const std::map<TuningPoint, TuningEvidence>& TuningLooks::Of(TuningLoad load) const {
  return load == TuningLoad::kFull ? full_ : alone_;
}

}  // namespace torchferry::plan
