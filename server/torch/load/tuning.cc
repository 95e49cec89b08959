#include "server/torch/load/tuning.h"

#include <algorithm>
#include <utility>

#include "server/base/clock.h"
#include "server/base/give_back_memory.h"
#include "server/base/logging.h"
#include "server/base/status.h"
#include "server/tensor/batch_sizes.h"
#include "server/torch/device/runtime.h"
#include "server/torch/load/sample_rows.h"
#include "server/torch/load/small_model_job.h"
#include "server/torch/load/tuning_refinement.h"
#include "server/torch/load/tuning_report.h"
#include "server/torch/load/tuning_turn.h"
#include "server/torch/run/trial_run.h"

namespace torchferry::libtorch {
namespace {

constexpr int kSamples = 8;
// A kept result was compared with more when it was found.
constexpr int64_t kRowsToCompareAgain = 1;

plan::TuningSpace SpaceOf(const TuningTask& task) {
  plan::TuningSpace space{task.variants, {task.intra_op_threads}, {1}};
  if (task.options.tunes_threads && task.workers == 0) {
    for (int threads = 2 * task.intra_op_threads; threads <= task.options.processors; threads *= 2)
      space.threads.push_back(threads);
  }
  if (task.config.dynamic_batching.has_value() && task.config.max_batch_size > 0)
    space.rows = tensor::BatchSizes(task.config.max_batch_size);
  if (task.workers == 0) space.threads_of_one_worker = task.options.processors / 2 + 1;
  space.may_have_latency_point = task.workers == 0 && space.variants.size() * space.threads.size() > 1;
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

bool IsStopping(const TuningTask& task) { return task.options.is_stopping && task.options.is_stopping(); }

void Keep(const TuningTask& task, const plan::TuningKey& key, const plan::TuningRecord& record,
          model::ModelInfo& info) {
  const absl::Status kept = plan::WriteTuningRecord(task.record_path, key, record);
  if (kept.ok()) return;
  info.decisions.push_back("not kept, the next start searches again: " + base::MessageOf(kept));
  base::LogWarning("tuning not kept", {{"model", task.config.name}, {"reason", base::MessageOf(kept)}});
}

bool Contains(const plan::TuningSpace& space, const std::string& variant, int threads) {
  return std::ranges::find(space.variants, variant) != space.variants.end() &&
         std::ranges::find(space.threads, threads) != space.threads.end();
}

bool Contains(const plan::TuningSpace& space, const plan::TuningRecord& record) {
  const bool has_latency =
      !record.latency.has_value() || Contains(space, record.latency->variant, record.latency->threads);
  return has_latency && Contains(space, record.best.variant, record.best.threads) &&
         std::ranges::find(space.rows, record.best.rows) != space.rows.end();
}

// Whether a result that was kept says enough: it is of a complete search, or of one with as much time as there is now.
bool IsEnough(const plan::TuningRecord& record, const TuningTask& task) {
  return record.budget_seconds == 0 || record.budget_seconds >= BudgetOf(task) || !task.may_search;
}

std::optional<plan::TuningRecord> KeptResult(const TuningTask& task, const plan::TuningSpace& space,
                                             const plan::TuningKey& key) {
  std::optional<plan::TuningRecord> kept = plan::ReadTuningRecord(task.record_path, key);
  if (!kept.has_value() || !IsEnough(*kept, task) || !Contains(space, *kept)) return std::nullopt;
  return kept;
}

// The variants that `record` names, compared with up to `rows` rows. Without a model where one does not hold.
Tuned ModelsOf(const plan::TuningRecord& record, TuningVariants& variants, int64_t rows) {
  Tuned tuned{.model = variants.ModelOf(record.best.variant, rows)};
  if (!record.latency.has_value() || record.latency->variant == record.best.variant) return tuned;
  tuned.small = variants.ModelOf(record.latency->variant, rows);
  return tuned.small == nullptr ? Tuned{} : tuned;
}

// One version's tuning, from what is kept to what goes on later.
class Tuning {
 public:
  Tuning(const TuningTask& task, plan::TuningSpace space, std::shared_ptr<model::Model> plain,
         std::vector<tensor::BoundInputs> samples, model::ModelInfo& info)
      : task_(task),
        space_(std::move(space)),
        key_(KeyOf(task, space_)),
        kept_(KeptResult(task, space_, key_)),
        info_(info),
        began_(base::Clock::Real().Now()) {
    TunerOptions options{.processors = task.options.processors, .workers = task.workers, .measure = task.measure};
    TuningVariants variants(task.make, std::move(plain), std::move(samples), task.tolerance, task.accept);
    const auto start = kept_.has_value() ? std::optional(kept_->best) : std::nullopt;
    tuner_ = std::make_unique<Tuner>(std::move(options), space_, std::move(variants), start);
  }

  // Without a model where nothing was found; the reason is in info.decisions.
  absl::StatusOr<Tuned> Run() {
    FERRY_ASSIGN_OR_RETURN(Tuned tuned, UseKept());
    if (tuned.model == nullptr && task_.may_search) {
      FERRY_ASSIGN_OR_RETURN(tuned, SearchAndKeep());
    }
    if (tuned.model == nullptr || !task_.may_search) return tuned;
    if (!info_.tuning->is_final) {
      AddRefinement(tuned);
    } else if (tuned.small == nullptr && HasSmall()) {
      AddSmall(tuned);
    }
    return tuned;
  }

 private:
  // Made again and compared again, as the file may be anybody's.
  absl::StatusOr<Tuned> UseKept() {
    if (!kept_.has_value()) return Tuned{};
    Tuned tuned;
    if (kept_->is_final) {
      tuned.model = tuner_->variants().ModelOf(kept_->best.variant, kRowsToCompareAgain);
    } else {
      tuned = ModelsOf(*kept_, tuner_->variants(), kRowsToCompareAgain);
    }
    FERRY_RETURN_IF_ERROR(tuner_->variants().device_error());
    if (tuned.model == nullptr) return tuned;
    info_.tuning = InfoOf(*kept_, space_, true);
    info_.decisions.push_back(TextOfKept(*kept_, space_));
    return tuned;
  }

  absl::StatusOr<Tuned> SearchAndKeep() {
    const std::optional<plan::TuningResult> found = tuner_->Search([&](double last_pass) {
      return base::ToSeconds(base::Clock::Real().Now() - began_) + last_pass < BudgetOf(task_) && !IsStopping(task_);
    });
    FERRY_RETURN_IF_ERROR(tuner_->variants().device_error());
    if (!found.has_value()) {
      info_.decisions.push_back(ReasonForNothing());
      return Tuned{};
    }
    const double deviation = tuner_->variants().deviation(found->best.variant);
    plan::TuningRecord record = RecordOf(*found, BudgetOf(task_), deviation);
    // There was no time to try more rows: nobody knows better than that they gain.
    if (found->are_rows_open) record.best.rows = tuner_->MaxRows(found->best);
    info_.tuning = InfoOf(record, space_, false);
    info_.decisions.push_back(TextOfSearch(*found, record, space_, base::ToSeconds(base::Clock::Real().Now() - began_),
                                           tuner_->variants().refused()));
    if (!IsStopping(task_)) Keep(task_, key_, record, info_);
    return ModelsOf(record, tuner_->variants(), kRowsToCompareAgain);
  }

  // Whether small batches run on another variant.
  bool HasSmall() const {
    return info_.tuning->latency.has_value() && info_.tuning->latency->variant != info_.tuning->variant;
  }

  // A start does not wait for it.
  void AddSmall(Tuned& tuned) {
    tuned.make_small = [tuner = std::shared_ptr<Tuner>(std::move(tuner_)), model = tuned.model,
                        name = task_.config.name](model::ModelInfo info) {
      return MakeSmallModelJob(tuner, {.model = model, .info = std::move(info)}, name);
    };
  }

  std::string ReasonForNothing() const {
    const std::vector<std::string>& refused = tuner_->variants().refused();
    if (refused.empty()) return "not tuned: optimize_budget_seconds leaves no time for it";
    return fmt::format("not tuned: no variant that was tried runs and answers as the plain graph does; left out: {}",
                       fmt::join(refused, ", "));
  }

  // What was disturbed is looked at again then. Until then no variant is held that is not in use.
  void AddRefinement(Tuned& tuned) {
    tuner_->variants().KeepOnly(VariantsInUse(*info_.tuning));
    tuner_->search().ForgetDisturbed();
    auto refinement = std::make_shared<Refinement>(Refinement{.tuner = std::move(tuner_),
                                                              .model_name = task_.config.name,
                                                              .record_path = task_.record_path,
                                                              .key = key_,
                                                              .is_stopping = task_.options.is_stopping});
    tuned.refine = [refinement = std::move(refinement)](model::ModelInfo info) {
      return MakeRefinementJob(std::move(*refinement), std::move(info));
    };
  }

  const TuningTask& task_;
  const plan::TuningSpace space_;
  const plan::TuningKey key_;
  const std::optional<plan::TuningRecord> kept_;
  model::ModelInfo& info_;
  const base::TimePoint began_;
  std::unique_ptr<Tuner> tuner_;
};

// With what was made for the search.
absl::StatusOr<Tuned> TuneInTurn(const TuningTask& task, plan::TuningSpace space, std::shared_ptr<model::Model> plain,
                                 std::vector<tensor::BoundInputs> samples, model::ModelInfo& info) {
  TuningTurn turn;
  if (task.may_search) {
    turn = AwaitTuningTurn(2 * BudgetOf(task) + 1, task.options.is_stopping);
    if (!turn.owns_lock()) {
      info.decisions.push_back("not tuned: another version is being tuned, which does not end");
      return Tuned{};
    }
  }
  return Tuning(task, std::move(space), std::move(plain), std::move(samples), info).Run();
}

}  // namespace

bool IsTuningAsked(const config::OptimizeConfig& config) {
  return config.mode == config::OptimizeConfig::Mode::kAuto || config.mode == config::OptimizeConfig::Mode::kList;
}

bool IsTuningOn(const TuningOptions& options, const config::OptimizeConfig& config) {
  if (options.is_deterministic || config.mode == config::OptimizeConfig::Mode::kOff) return false;
  return options.is_on || IsTuningAsked(config);
}

absl::StatusOr<Tuned> Tune(const TuningTask& task, std::shared_ptr<model::Model> plain, model::ModelInfo& info) {
  auto samples = SampleRows(plain->signature(), task.config, task.store / task.config.name, kSamples,
                            task.example.has_value() ? &*task.example : nullptr);
  if (!samples.ok()) {
    info.decisions.push_back("not tuned: " + base::MessageOf(samples.status()));
    return Tuned{plain};
  }
  plan::TuningSpace space = SpaceOf(task);
  const int64_t max_rows = RowsWithinLimit(samples->at(0));
  std::erase_if(space.rows, [&](int64_t rows) { return rows > max_rows; });
  if (space.size() == 0) {
    info.decisions.push_back(fmt::format("not tuned: no variant that torchferry.optimize names makes sense here: {}",
                                         fmt::join(task.config.optimize.variants, ", ")));
    return Tuned{plain};
  }
  FERRY_ASSIGN_OR_RETURN(Tuned tuned, TuneInTurn(task, std::move(space), plain, *std::move(samples), info));
  // What was made for a search is gone, and its memory is to be the system's again. A start with a kept result had
  // none.
  const bool was_searched = !info.tuning.has_value() || !info.tuning->is_kept;
  if (was_searched) base::GiveBackMemory();
  if (tuned.model == nullptr) tuned.model = std::move(plain);
  return tuned;
}

}  // namespace torchferry::libtorch
