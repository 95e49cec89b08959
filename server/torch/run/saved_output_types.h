// The element types of a module's outputs, as it was saved.
#pragma once

#include <torch/script.h>

#include <atomic>
#include <optional>
#include <vector>

#include "server/base/mutex.h"
#include "server/model/model.h"
#include "server/torch/graph/model_signature.h"
#include "server/torch/graph/stateful.h"

namespace torchferry::libtorch {

// Found by running the module as it was saved, once, on the CPU: promotion, casts and branches are then PyTorch's own.
// Thread-safe.
class SavedOutputTypes {
 public:
  // `module` is on the CPU, in the types of the file; it is kept until it has run.
  SavedOutputTypes(torch::jit::Module module, std::optional<ModuleState> state);

  // The first call runs the module on `request`, which a cast copy of it has just answered. Later calls do nothing.
  void Learn(const ModelSignature& signature, const tensor::BoundInputs& request);

  // Valid after Learn, in the order of forward's tuple, list or dict. Empty when the module does not run here, for
  // example where the CPU lacks an operator in FP16.
  const std::vector<at::ScalarType>& types() const { return types_; }

 private:
  std::vector<at::ScalarType> Run(const ModelSignature& signature, const tensor::BoundInputs& request) const
      FERRY_REQUIRES(mutex_);

  base::Mutex mutex_;
  std::optional<torch::jit::Module> module_ FERRY_GUARDED_BY(mutex_);
  std::optional<ModuleState> state_ FERRY_GUARDED_BY(mutex_);
  std::atomic<bool> is_known_ = false;
  std::vector<at::ScalarType> types_;  // constant once they are known
};

}  // namespace torchferry::libtorch
