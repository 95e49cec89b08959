#include "server/torch/load/tuner.h"

#include <algorithm>
#include <utility>

#include "server/base/logging.h"
#include "server/base/status.h"

namespace torchferry::libtorch {
namespace {

// Batches of one look, and its bounds: what a tick of the system's scheduler disturbs must not decide, and a look at a
// large batch is one pass of each worker.
constexpr double kBatches = 6;
constexpr double kLeastSeconds = 0.03;
constexpr double kMaxSeconds = 0.06;
// What a batch costs beside the model's own work: a worker is woken, takes it and answers it. Of tiny models it is the
// most.
constexpr double kSecondsAround = 15e-6;
// A batch that takes longer is not tried, however large it may be: others wait for it, and its memory grows with it.
constexpr double kMaxSecondsOfBatch = 0.5;
constexpr int64_t kAlwaysTriedRows = 4;
// A first pass does more than those after it. Even so, a way cannot win whose first pass is below this share of the
// best.
constexpr double kCannotWin = 0.75;

}  // namespace

Tuner::Tuner(TunerOptions options, plan::TuningSpace space, TuningVariants variants,
             std::optional<plan::TuningPoint> start)
    : options_(std::move(options)),
      space_(std::move(space)),
      search_(space_, std::move(start)),
      variants_(std::move(variants)) {}

std::optional<plan::TuningResult> Tuner::Search(const std::function<bool(double)>& has_time) {
  return plan::SearchTuning(
      search_, [this](const plan::TuningQuestion& question) { return LookAt(question); },
      [&] { return variants_.device_error().ok() && has_time(last_pass_); });
}

std::optional<plan::TuningQuestion> Tuner::Next() const {
  return variants_.device_error().ok() ? search_.Next() : std::nullopt;
}

std::optional<plan::TuningLook> Tuner::LookAt(const plan::TuningQuestion& question) {
  const plan::TuningPoint& point = question.point;
  const std::shared_ptr<model::Model> model = ModelOf(point.variant);
  if (model == nullptr || IsTooLong(point)) return std::nullopt;
  const Load load = LoadOf(question);
  const absl::StatusOr<Throughput> found = options_.measure(*model, BatchOf(variants_.samples(), point.rows), load);
  if (!found.ok()) {
    variants_.Refuse(fmt::format("{} with {} rows", point.variant, point.rows), found.status());
    return std::nullopt;
  }
  const double rows = static_cast<double>(point.rows) * load.workers;
  last_pass_ = rows / found->rows_per_second;
  double& pass = passes_[point];
  pass = pass > 0 ? std::min(pass, last_pass_) : last_pass_;
  base::LogDebug("tuning look", {{"variant", point.variant},
                                 {"threads", point.threads},
                                 {"rows", point.rows},
                                 {"workers", load.workers},
                                 {"rows_per_second", fmt::format("{:.1f}", found->rows_per_second)},
                                 {"at_most", fmt::format("{:.1f}", found->max_rows_per_second)},
                                 {"disturbed", found->is_disturbed}});
  const double most = std::max(found->max_rows_per_second, found->rows_per_second);
  return plan::TuningLook{.rows_per_second = rows / (last_pass_ + kSecondsAround),
                          .is_disturbed = found->is_disturbed,
                          .max_rows_per_second = rows / (rows / most + kSecondsAround)};
}

int64_t Tuner::MaxRows(plan::TuningPoint point) const {
  int64_t most = point.rows;
  for (const int64_t rows : space_.rows) {
    point.rows = rows;
    if (!IsTooLong(point)) most = std::max(most, rows);
  }
  return most;
}

Load Tuner::LoadOf(const plan::TuningQuestion& question) const {
  const plan::TuningPoint& point = question.point;
  const auto known = passes_.find(point);
  Load load;
  load.workers = options_.workers > 0 ? options_.workers : std::max(1, options_.processors / point.threads);
  if (question.load == plan::TuningLoad::kAlone) load.workers = 1;
  load.threads = point.threads;
  // LibTorch has compiled it when it was compared; a new shape, or team, is prepared once.
  load.runs_before = known == passes_.end() ? 1 : 0;
  const double pass = known == passes_.end() ? 0 : known->second;
  load.time = std::chrono::duration<double>(std::clamp(kBatches * pass, kLeastSeconds, kMaxSeconds));
  // With one row, a way that is slow there may still be fast with more. An accelerator's first pass of a shape also
  // picks and loads kernels, which takes many times as long as the pass.
  const bool is_cpu = options_.workers == 0;
  if (is_cpu && point.rows > space_.rows.front()) load.gives_up_below = kCannotWin * search_.BestRate(question.load);
  return load;
}

// By the rows of the nearest smaller batch that has run.
bool Tuner::IsTooLong(const plan::TuningPoint& point) const {
  if (point.rows <= kAlwaysTriedRows) return false;
  for (auto it = passes_.upper_bound(point); it != passes_.begin();) {
    --it;
    if (it->first.variant != point.variant || it->first.threads != point.threads) return false;
    const double expected = it->second * static_cast<double>(point.rows) / static_cast<double>(it->first.rows);
    if (expected > 0) return expected > kMaxSecondsOfBatch;
  }
  return false;
}

}  // namespace torchferry::libtorch
