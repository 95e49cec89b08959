#include "server/torch/load/tuning.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "server/base/clock.h"
#include "server/base/logging.h"
#include "server/base/status.h"
#include "server/model/device_fault.h"
#include "server/plan/tuning_search.h"
#include "server/tensor/batch_sizes.h"
#include "server/torch/device/convert.h"
#include "server/torch/device/runtime.h"
#include "server/torch/load/sample_rows.h"
#include "server/torch/load/throughput.h"
#include "server/torch/run/trial_run.h"

namespace torchferry::libtorch {
namespace {

constexpr int kSamples = 8;
// Batches of one measurement, and its bounds: what a tick of the scheduler disturbs must not decide.
constexpr double kBatches = 8;
constexpr double kLeastSeconds = 0.01;
constexpr double kMostSeconds = 0.3;
// What a batch costs beside the model's own work: a worker is woken, takes it and answers it. Of tiny models it is the
// most.
constexpr double kSecondsAround = 15e-6;
// A batch that takes longer is not tried, however large it may be: others wait for it, and its memory grows with it.
constexpr double kMostSecondsOfBatch = 0.5;
constexpr int64_t kAlwaysTriedRows = 4;
// Row counts at which outputs are compared.
constexpr size_t kComparedRows = 2;

std::vector<const tensor::BoundInputs*> Batch(const std::vector<tensor::BoundInputs>& samples, int64_t rows) {
  std::vector<const tensor::BoundInputs*> batch;
  for (int64_t i = 0; i < rows; ++i) batch.push_back(&samples[static_cast<size_t>(i) % samples.size()]);
  return batch;
}

// Whether what is no number is equal, to the bit.
bool AreEqual(const tensor::HostTensor& a, const tensor::HostTensor& b) {
  return a.shape == b.shape && std::ranges::equal(a.bytes, b.bytes);
}

// The largest deviation of any of the answers. INTERNAL when they differ in more than rounding: other integers, other
// shapes.
absl::StatusOr<double> WorstDeviation(const std::vector<model::Outputs>& ours,
                                      const std::vector<model::Outputs>& plain) {
  double worst = 0;
  for (size_t i = 0; i < plain.size(); ++i) {
    for (size_t j = 0; j < plain[i].size(); ++j) {
      if (tensor::IsFloating(plain[i][j].tensor.dtype) || AreEqual(ours.at(i).at(j).tensor, plain[i][j].tensor))
        continue;
      return base::MakeStatus(absl::StatusCode::kInternal, "output \"{}\" is another", plain[i][j].name);
    }
    FERRY_ASSIGN_OR_RETURN(const double deviation, Deviation({ours.at(i)}, {plain[i]}));
    worst = std::max(worst, deviation);
  }
  return worst;
}

plan::TuningSpace SpaceOf(const TuningTask& task) {
  plan::TuningSpace space{task.variants, {task.intra_op_threads}, {1}};
  if (task.options.tunes_threads && task.workers == 0) {
    for (int threads = 2 * task.intra_op_threads; threads <= task.options.processors; threads *= 2)
      space.threads.push_back(threads);
  }
  if (task.config.dynamic_batching.has_value() && task.config.max_batch_size > 0)
    space.rows = tensor::BatchSizes(task.config.max_batch_size);
  return space;
}

// What a result depends on beside the files and the device.
plan::TuningKey KeyOf(const TuningTask& task, const plan::TuningSpace& space) {
  plan::TuningKey key = task.key;
  key["libtorch"] = TorchRuntime::LibTorchVersion();
  key["processor"] = task.options.processor;
  key["processors"] = std::to_string(task.options.processors);
  if (task.workers > 0) key["workers"] = std::to_string(task.workers);
  key["threads"] = fmt::format("{}", fmt::join(space.threads, ","));
  key["variants"] = fmt::format("{}", fmt::join(space.variants, ","));
  key["batch_rows"] = std::to_string(space.rows.back());
  return key;
}

double BudgetOf(const TuningTask& task) {
  return task.config.optimize.budget_seconds.value_or(task.options.budget_seconds);
}

class Tuner {
 public:
  Tuner(const TuningTask& task, std::shared_ptr<model::Model> plain, std::vector<tensor::BoundInputs> samples)
      : task_(task), samples_(std::move(samples)), began_(base::Clock::Real().Now()) {
    models_["plain"] = {std::move(plain), 0};
  }

  std::optional<plan::TuningResult> Search(const plan::TuningSpace& space) {
    return plan::SearchTuning(
        space, [this](const plan::TuningPoint& point) { return Measure(point); }, [this] { return HasTime(); });
  }

  // Null, with a reason in refused(), where it does not run or does not agree.
  std::shared_ptr<model::Model> ModelOf(const std::string& variant) {
    const auto [entry, is_new] = models_.try_emplace(variant);
    if (is_new) {
      absl::StatusOr<std::shared_ptr<model::Model>> made = Make(variant, entry->second.deviation);
      if (made.ok()) {
        entry->second.model = *std::move(made);
      } else {
        Refuse(variant, made.status());
      }
    }
    return entry->second.model;
  }

  bool IsStopping() const { return task_.options.is_stopping && task_.options.is_stopping(); }
  double deviation(const std::string& variant) const { return models_.at(variant).deviation; }
  const std::vector<std::string>& refused() const { return refused_; }
  const absl::Status& device_error() const { return device_error_; }
  double seconds() const { return base::ToSeconds(base::Clock::Real().Now() - began_); }

 private:
  struct Variant {
    std::shared_ptr<model::Model> model;
    double deviation = 0;
  };

  std::optional<double> Measure(const plan::TuningPoint& point) {
    const std::shared_ptr<model::Model> model = ModelOf(point.variant);
    if (model == nullptr || (point.rows > kAlwaysTriedRows && ExpectedPass(point) > kMostSecondsOfBatch))
      return std::nullopt;
    const std::vector<const tensor::BoundInputs*> batch = Batch(samples_, point.rows);
    Load load;
    load.workers = task_.workers > 0 ? task_.workers : std::max(1, task_.options.processors / point.threads);
    load.threads = point.threads;
    double& pass = passes_[point];
    const bool is_known = pass > 0;
    load.runs_before = is_known ? 0 : 1;  // LibTorch has compiled it when it was compared
    load.time = std::chrono::duration<double>(std::clamp(kBatches * pass, kLeastSeconds, kMostSeconds));
    const absl::StatusOr<double> rate = MeasureThroughput(*model, batch, load);
    if (!rate.ok()) {
      Refuse(fmt::format("{} with {} rows", point.variant, point.rows), rate.status());
      return std::nullopt;
    }
    const double rows = static_cast<double>(point.rows) * load.workers;
    pass = last_pass_ = rows / *rate;
    return rows / (pass + kSecondsAround);
  }

  // By the rows of the nearest smaller batch; 0: none has run.
  double ExpectedPass(const plan::TuningPoint& point) const {
    for (auto it = passes_.upper_bound(point); it != passes_.begin();) {
      --it;
      if (it->first.variant != point.variant || it->first.threads != point.threads) break;
      if (it->second > 0) return it->second * static_cast<double>(point.rows) / static_cast<double>(it->first.rows);
    }
    return 0;
  }

  bool HasTime() const {
    const double budget = BudgetOf(task_);
    return device_error_.ok() && seconds() + last_pass_ < budget && !IsStopping();
  }

  absl::StatusOr<std::shared_ptr<model::Model>> Make(const std::string& variant, double& worst) {
    std::shared_ptr<model::Model> model;
    try {
      model = task_.make(variant);
    } catch (const std::exception& error) {
      return StatusOf(error, absl::StatusCode::kInternal);
    }
    model::PhaseTimes ignored;
    const std::vector<const tensor::BoundInputs*> batch =
        Batch(samples_, model->signature().HasBatchDimension() ? kComparedRows : 1);
    for (size_t i = 0; i < batch.size(); ++i) {
      const std::span<const tensor::BoundInputs* const> requests(batch.data(), std::min(i + 1, batch.size()));
      FERRY_ASSIGN_OR_RETURN(const auto expected, models_.at("plain").model->Predict(requests, ignored));
      // The second time it runs what LibTorch has compiled.
      for (int run = 0; run < 2; ++run) {
        FERRY_ASSIGN_OR_RETURN(const auto ours, model->Predict(requests, ignored));
        FERRY_ASSIGN_OR_RETURN(const double deviation, WorstDeviation(ours, expected));
        worst = std::max(worst, deviation);
      }
    }
    if (worst <= task_.tolerance) return model;
    return base::MakeStatus(absl::StatusCode::kInternal,
                            "its outputs deviate by {:.1e} of the largest; {:.0e} is allowed", worst, task_.tolerance);
  }

  void Refuse(const std::string& what, const absl::Status& why) {
    if (model::DeviceFaultOf(why) == model::DeviceFault::kLost ||
        model::DeviceFaultOf(why) == model::DeviceFault::kTransient)
      device_error_ = why;
    std::string text = fmt::format("{} ({})", what, base::MessageOf(why));
    if (std::ranges::find(refused_, text) == refused_.end()) refused_.push_back(std::move(text));
  }

  const TuningTask& task_;
  const std::vector<tensor::BoundInputs> samples_;
  const base::TimePoint began_;
  std::map<std::string, Variant> models_;
  std::map<plan::TuningPoint, double> passes_;  // seconds of one
  double last_pass_ = 0;
  std::vector<std::string> refused_;
  absl::Status device_error_;
};

std::string TextOf(const model::TuningInfo& tuning) {
  return fmt::format("{}, {} intra-op thread{}, batches of up to {} row{}: {:.1f} rows/s; {:.1f} {}", tuning.variant,
                     tuning.intra_op_threads, tuning.intra_op_threads == 1 ? "" : "s", tuning.batch_rows,
                     tuning.batch_rows == 1 ? "" : "s", tuning.rows_per_second, tuning.baseline_rows_per_second,
                     tuning.baseline);
}

model::TuningInfo InfoOf(const plan::TuningRecord& record, const plan::TuningSpace& space, bool is_kept) {
  return {.variant = record.best.variant,
          .intra_op_threads = record.best.threads,
          .batch_rows = record.best.rows,
          .rows_per_second = record.rows_per_second,
          .baseline = space.variants.front(),
          .baseline_rows_per_second = record.simplest_rows_per_second,
          .deviation = record.deviation,
          .is_kept = is_kept};
}

// ", until the budget of 10 s had passed"; nothing for 0.
std::string Until(double budget_seconds) {
  return budget_seconds == 0 ? "" : fmt::format(", until optimize_budget_seconds, {:g}, had passed", budget_seconds);
}

void Keep(const TuningTask& task, const plan::TuningKey& key, const plan::TuningRecord& record,
          model::ModelInfo& info) {
  const absl::Status kept = plan::WriteTuningRecord(task.record_path, key, record);
  if (kept.ok()) return;
  info.decisions.push_back("not kept, the next start searches again: " + base::MessageOf(kept));
  base::LogWarning("tuning not kept", {{"model", task.config.name}, {"reason", base::MessageOf(kept)}});
}

bool Contains(const plan::TuningSpace& space, const plan::TuningPoint& point) {
  return std::ranges::find(space.variants, point.variant) != space.variants.end() &&
         std::ranges::find(space.threads, point.threads) != space.threads.end() &&
         std::ranges::find(space.rows, point.rows) != space.rows.end();
}

// Whether a result that was kept says enough: it is of a complete search, or of one with as much time as there is now.
bool IsEnough(const plan::TuningRecord& record, const TuningTask& task) {
  return record.budget_seconds == 0 || record.budget_seconds >= BudgetOf(task) || !task.may_search;
}

// Made again and compared again, as the file may be anybody's. Null where nothing was kept, or it does not hold.
absl::StatusOr<std::shared_ptr<model::Model>> UseKept(const TuningTask& task, const plan::TuningSpace& space,
                                                      const plan::TuningKey& key, Tuner& tuner,
                                                      model::ModelInfo& info) {
  const auto kept = plan::ReadTuningRecord(task.record_path, key);
  if (!kept.has_value() || !IsEnough(*kept, task) || !Contains(space, kept->best)) return nullptr;
  std::shared_ptr<model::Model> model = tuner.ModelOf(kept->best.variant);
  FERRY_RETURN_IF_ERROR(tuner.device_error());
  if (model == nullptr) return nullptr;
  info.tuning = InfoOf(*kept, space, true);
  info.decisions.push_back(fmt::format("tuned before{}: {}", Until(kept->budget_seconds), TextOf(*info.tuning)));
  return model;
}

// Null, with the reason in info.decisions, where no variant was found.
absl::StatusOr<std::shared_ptr<model::Model>> SearchAndKeep(const TuningTask& task, const plan::TuningSpace& space,
                                                            const plan::TuningKey& key, Tuner& tuner,
                                                            model::ModelInfo& info) {
  const std::optional<plan::TuningResult> found = tuner.Search(space);
  FERRY_RETURN_IF_ERROR(tuner.device_error());
  const std::string refused =
      tuner.refused().empty() ? "" : fmt::format("; left out: {}", fmt::join(tuner.refused(), ", "));
  if (!found.has_value()) {
    info.decisions.push_back(tuner.refused().empty()
                                 ? "not tuned: optimize_budget_seconds leaves no time for it"
                                 : "not tuned: no variant that was tried runs and answers as the plain graph does" +
                                       refused);
    return nullptr;
  }
  plan::TuningRecord record{.best = found->best,
                            .rows_per_second = found->rows_per_second,
                            .simplest_rows_per_second = found->simplest_rows_per_second,
                            .budget_seconds = found->is_complete ? 0 : BudgetOf(task),
                            .deviation = tuner.deviation(found->best.variant)};
  // Where the time was over before larger batches were tried, they are as large as the configuration allows.
  if (found->are_rows_open) record.best.rows = space.rows.back();
  info.tuning = InfoOf(record, space, false);
  info.decisions.push_back(fmt::format("tuned in {:.1f} s, {} of {} ways{}: {}{}", tuner.seconds(), found->tried,
                                       space.size(), Until(record.budget_seconds), TextOf(*info.tuning), refused));
  if (!tuner.IsStopping()) Keep(task, key, record, info);
  return tuner.ModelOf(record.best.variant);
}

// Of the process, for one search at a time: two would measure each other. Not waited for longer than a search may take
// twice, as the one that has it may not end.
std::unique_lock<std::timed_mutex> AwaitSearchTurn(const TuningTask& task) {
  constexpr auto kLook = std::chrono::milliseconds(100);
  static auto* const mutex = new std::timed_mutex;
  std::unique_lock<std::timed_mutex> turn(*mutex, std::defer_lock);
  const base::TimePoint until = base::Clock::Real().Now() + std::chrono::duration_cast<base::Duration>(
                                                                std::chrono::duration<double>(2 * BudgetOf(task) + 1));
  const auto is_over = [&] {
    return base::Clock::Real().Now() > until || (task.options.is_stopping && task.options.is_stopping());
  };
  while (!turn.try_lock_for(kLook) && !is_over()) {
  }
  return turn;
}

}  // namespace

bool IsTuningAsked(const config::OptimizeConfig& config) {
  return config.mode == config::OptimizeConfig::Mode::kAuto || config.mode == config::OptimizeConfig::Mode::kList;
}

bool IsTuningOn(const TuningOptions& options, const config::OptimizeConfig& config) {
  if (options.is_deterministic || config.mode == config::OptimizeConfig::Mode::kOff) return false;
  return options.is_on || IsTuningAsked(config);
}

absl::StatusOr<std::shared_ptr<model::Model>> Tune(const TuningTask& task, std::shared_ptr<model::Model> plain,
                                                   model::ModelInfo& info) {
  const auto samples =
      SampleRows(plain->signature(), task.config, task.store / task.config.name, kSamples, task.example);
  if (!samples.ok()) {
    info.decisions.push_back("not tuned: " + base::MessageOf(samples.status()));
    return plain;
  }
  plan::TuningSpace space = SpaceOf(task);
  const int64_t most_rows = RowsWithinLimit(samples->at(0));
  std::erase_if(space.rows, [&](int64_t rows) { return rows > most_rows; });
  if (space.size() == 0) {
    info.decisions.push_back(fmt::format("not tuned: no variant that torchferry.optimize names makes sense here: {}",
                                         fmt::join(task.config.optimize.variants, ", ")));
    return plain;
  }
  const plan::TuningKey key = KeyOf(task, space);
  std::unique_lock<std::timed_mutex> turn;
  if (task.may_search) {
    turn = AwaitSearchTurn(task);
    if (!turn.owns_lock()) {
      info.decisions.push_back("not tuned: another version is being tuned, which does not end");
      return plain;
    }
  }
  Tuner tuner(task, plain, *samples);
  FERRY_ASSIGN_OR_RETURN(std::shared_ptr<model::Model> tuned, UseKept(task, space, key, tuner, info));
  if (tuned == nullptr && task.may_search) {
    FERRY_ASSIGN_OR_RETURN(tuned, SearchAndKeep(task, space, key, tuner, info));
  }
  return tuned == nullptr ? plain : tuned;
}

}  // namespace torchferry::libtorch
