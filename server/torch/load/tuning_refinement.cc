#include "server/torch/load/tuning_refinement.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <optional>
#include <utility>

#include "server/base/give_back_memory.h"
#include "server/base/logging.h"
#include "server/base/running_model.h"
#include "server/base/status.h"
#include "server/torch/load/intra_op_threads.h"
#include "server/torch/load/tuning_report.h"
#include "server/torch/load/tuning_turn.h"

namespace torchferry::libtorch {
namespace {

// Looks in a row that others have disturbed: then this host is never quiet.
constexpr int kMaxDisturbed = 60;
// After one of them it waits, ever longer.
constexpr base::Duration kFirstPause = std::chrono::milliseconds(100);
constexpr base::Duration kLongestPause = std::chrono::seconds(60);
// Before a longer pause the memory is given back. To make a variant again takes about as long.
constexpr base::Duration kHoldsMemory = std::chrono::milliseconds(500);

class RefinementJob {
 public:
  RefinementJob(Refinement refinement, model::ModelInfo info)
      : refinement_(std::move(refinement)), info_(std::move(info)) {}

  // True: there is more. Throws what making a variant may throw.
  bool Run(model::IdleTurn& turn) {
    if (refinement_.is_stopping && refinement_.is_stopping()) return false;
    if (refinement_.clock->Now() < not_before_) return true;
    const TuningTurn lock = TryTuningTurn();
    if (!lock.owns_lock()) return true;
    const base::RunningModel for_model(refinement_.model_name);
    const IntraOpThreads as_on_a_loader(1);  // a variant is made and compared on this thread
    const std::optional<plan::TuningQuestion> question = tuner().Next();
    if (!question.has_value()) {
      Finish(turn);
      return false;
    }
    return LookAt(*question, turn);
  }

  const std::string& model_name() const { return refinement_.model_name; }

 private:
  Tuner& tuner() { return *refinement_.tuner; }

  bool LookAt(const plan::TuningQuestion& question, model::IdleTurn& turn) {
    // A busy server does not come back here for hours: one variant at most is held beside those that serve.
    std::set<std::string> held = VariantsInUse(*info_.tuning);
    held.insert(question.point.variant);
    tuner().variants().KeepOnly(held);
    const std::optional<plan::TuningLook> look = tuner().LookAt(question);
    if (look.has_value() && !turn.IsQuiet()) return true;  // requests have run beside it
    if (look.has_value() && look->is_disturbed) return Pause();
    disturbed_ = 0;
    pause_ = kFirstPause;
    tuner().search().Add(question, look);
    return true;
  }

  bool Pause() {
    if (++disturbed_ >= kMaxDisturbed) {
      base::LogInfo("tuning not finished", {{"model", refinement_.model_name},
                                            {"reason",
                                             "other work on this host takes the processors all the time; "
                                             "the next start goes on"}});
      return false;
    }
    if (pause_ > kHoldsMemory) GiveBackVariants();
    not_before_ = refinement_.clock->Now() + pause_;
    pause_ = std::min(2 * pause_, kLongestPause);
    return true;
  }

  void GiveBackVariants() {
    tuner().variants().KeepOnly(VariantsInUse(*info_.tuning));
    base::GiveBackMemory();
  }

  void Finish(model::IdleTurn& turn) {
    const std::optional<plan::TuningResult> found = tuner().search().Result();
    if (!found.has_value() || !tuner().variants().device_error().ok()) return;
    const std::string& best = found->best.variant;
    const std::string& small = found->latency.has_value() ? found->latency->variant : best;
    model::PlacedModel better{.model = tuner().ModelOf(best), .info = {}};
    if (small != best) better.small = tuner().ModelOf(small);
    if (better.model == nullptr || (small != best && better.small == nullptr)) return;
    const plan::TuningRecord record = RecordOf(*found, 0, tuner().variants().deviation(best));
    const std::string text = TextOfRefined(*found, record, tuner().space());
    info_.tuning = InfoOf(record, tuner().space(), false);
    info_.decisions.push_back(text);
    base::LogInfo("tuned", {{"model", refinement_.model_name}, {"result", text}});
    Keep(record);
    better.info = info_;
    turn.Replace(std::move(better));
  }

  void Keep(const plan::TuningRecord& record) {
    const absl::Status kept = plan::WriteTuningRecord(refinement_.record_path, refinement_.key, record);
    if (!kept.ok())
      base::LogWarning("tuning not kept", {{"model", refinement_.model_name}, {"reason", base::MessageOf(kept)}});
  }

  Refinement refinement_;
  model::ModelInfo info_;
  int disturbed_ = 0;
  base::Duration pause_ = kFirstPause;
  base::TimePoint not_before_{};
};

}  // namespace

std::set<std::string> VariantsInUse(const model::TuningInfo& tuning) {
  std::set<std::string> in_use{tuning.variant};
  if (tuning.latency.has_value()) in_use.insert(tuning.latency->variant);
  return in_use;
}

model::IdleJob MakeRefinementJob(Refinement refinement, model::ModelInfo info) {
  // All copies of the job share what it holds, so that nothing is held once it has ended.
  auto held = std::make_shared<std::unique_ptr<RefinementJob>>(
      std::make_unique<RefinementJob>(std::move(refinement), std::move(info)));
  return [held = std::move(held)](model::IdleTurn& turn) {
    if (*held == nullptr) return false;
    try {
      if ((*held)->Run(turn)) return true;
    } catch (const std::exception& error) {
      base::LogWarning("tuning not finished", {{"model", (*held)->model_name()}, {"reason", error.what()}});
    }
    held->reset();
    base::GiveBackMemory();
    return false;
  };
}

}  // namespace torchferry::libtorch
