// PyTorch's functions that Python computes, rewritten in TorchScript (server/torch/load/python/*.py). They are compiled
// into a model's compilation unit when it calls them, so the checks of a model's code cover them, too.
//
// torch.nn.functional.X is `F_X` there, torch.X is `torch_X`, and the method torch.Tensor.X `Tensor_X` or `torch_X`. A
// name that is defined several times has overloads. `F_X__flag` is F.X with the parameter `flag` True.
#pragma once

#include <torch/csrc/jit/api/compilation_unit.h>

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace torchferry::libtorch {

// The name of the definition behind "torch.nn.functional.unfold"; empty when the prelude has no such function.
std::string PreludeName(std::string_view python_name);

// The parameters by which one of several definitions of `prelude_name` is chosen.
std::set<std::string> PreludeFlags(const std::string& prelude_name);

// The functions of one compilation unit, which must outlive this.
class PythonPrelude : public std::enable_shared_from_this<PythonPrelude> {
 public:
  explicit PythonPrelude(torch::jit::CompilationUnit* unit) : unit_(unit) {}
  // The compiled overloads; empty when the prelude has no such function. Throws what LibTorch throws.
  std::vector<torch::jit::Function*> Compile(const std::string& prelude_name);

 private:
  torch::jit::CompilationUnit* const unit_;
};

// torch.int64, torch.half and so on, as code names them after "torch.".
std::optional<int64_t> DTypeConstant(const std::string& name);

}  // namespace torchferry::libtorch
