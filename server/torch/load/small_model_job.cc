#include "server/torch/load/small_model_job.h"

#include <exception>
#include <utility>

#include "server/base/give_back_memory.h"
#include "server/base/logging.h"
#include "server/base/running_model.h"
#include "server/torch/load/intra_op_threads.h"

namespace torchferry::libtorch {
namespace {

// What the job holds until it has run.
struct SmallModel {
  std::shared_ptr<Tuner> tuner;
  model::PlacedModel served;
  std::string model_name;
};

// Throws what making a variant may throw.
void MakeAndReplace(SmallModel small, model::IdleTurn& turn) {
  const base::RunningModel for_model(small.model_name);
  const IntraOpThreads as_on_a_loader(1);  // a variant is made and compared on this thread
  TuningVariants& variants = small.tuner->variants();
  small.served.small = variants.ModelOf(small.served.info.tuning->latency->variant, /*rows=*/1);
  if (small.served.small != nullptr) return turn.Replace(std::move(small.served));
  base::LogWarning("small batches run as others do",
                   {{"model", small.model_name}, {"reason", fmt::format("{}", fmt::join(variants.refused(), ", "))}});
}

}  // namespace

model::IdleJob MakeSmallModelJob(std::shared_ptr<Tuner> tuner, model::PlacedModel served, std::string model_name) {
  // All copies of the job share what it holds, so that nothing is held once it has ended.
  auto held = std::make_shared<std::unique_ptr<SmallModel>>(
      std::make_unique<SmallModel>(SmallModel{std::move(tuner), std::move(served), std::move(model_name)}));
  return [held = std::move(held)](model::IdleTurn& turn) {
    const std::unique_ptr<SmallModel> small = std::exchange(*held, nullptr);
    if (small == nullptr) return false;
    const std::string name = small->model_name;
    try {
      MakeAndReplace(std::move(*small), turn);
    } catch (const std::exception& error) {
      base::LogWarning("small batches run as others do", {{"model", name}, {"reason", error.what()}});
    }
    base::GiveBackMemory();
    return false;
  };
}

}  // namespace torchferry::libtorch
