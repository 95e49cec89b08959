#include "server/torch/graph/run_inline.h"

#include <ATen/core/function_schema.h>
#include <ATen/core/ivalue.h>

#include <functional>
#include <utility>

namespace torchferry::libtorch {

c10::IValue RunInline(torch::jit::Function& function, torch::jit::Stack stack) {
  function.getSchema().checkAndNormalizeInputs(stack, {});
  const auto future = function.runAsync(stack, [](const std::function<void()>& task) { task(); });
  future->waitAndThrow();
  return future->value();
}

}  // namespace torchferry::libtorch
