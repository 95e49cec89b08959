#include "server/torch/run/saved_output_types.h"

#include <utility>

#include "server/base/logging.h"
#include "server/torch/device/convert.h"
#include "server/torch/graph/copy_module.h"
#include "server/torch/graph/run_inline.h"
#include "server/torch/run/gather.h"

namespace torchferry::libtorch {

SavedOutputTypes::SavedOutputTypes(torch::jit::Module module, std::optional<ModuleState> state)
    : module_(std::move(module)), state_(std::move(state)) {}

void SavedOutputTypes::Learn(const ModelSignature& signature, const tensor::BoundInputs& request) {
  if (is_known_) return;
  const base::MutexLock lock(mutex_);
  if (is_known_) return;
  try {
    types_ = Run(signature, request);
  } catch (const std::exception& error) {
    base::LogInfo("output types follow from the code",
                  {{"reason", "as saved the model does not run here: " + CleanMessage(error.what())}});
  }
  module_.reset();
  is_known_ = true;
}

std::vector<at::ScalarType> SavedOutputTypes::Run(const ModelSignature& signature,
                                                  const tensor::BoundInputs& request) const {
  const tensor::BoundInputs* const requests[] = {&request};
  torch::jit::Module module = state_.has_value() ? CopyModule(*module_, *state_) : *module_;
  StreamLease host(at::kCPU, /*may_lease=*/false);
  std::vector<c10::IValue> arguments =
      GatherArguments(signature, requests, host, PrecisionBorder(), /*are_written=*/true);
  arguments.insert(arguments.begin(), module._ivalue());
  return TypesOf(RunInline(module.get_method("forward").function(), std::move(arguments)));
}

}  // namespace torchferry::libtorch
