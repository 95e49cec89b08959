// The parameters of PyTorch's functions in Python: a table that was generated from PyTorch
// (tests/fixtures/python_signatures.py). Pure.
#pragma once

#include <ATen/core/ivalue.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace torchferry::libtorch {

struct PythonParameter {
  std::string name;
  std::optional<c10::IValue> default_value;  // none: the call must give it
  bool is_variadic = false;                  // takes all further positional arguments
  bool is_keyword_only = false;
};

struct PythonSignature {
  std::string name;           // "torch.nn.functional.unfold", "torch.Tensor.norm"
  std::string spelled;        // "F.unfold(input, kernel_size, dilation=1, padding=0, stride=1)"
  bool is_written_in_python;  // otherwise it is the operator of its name, and `parameters` are as documented
  std::vector<PythonParameter> parameters;
};

// Null for a name that Python does not have. The result lives as long as the process.
const PythonSignature* FindPythonSignature(std::string_view name);

// The signatures of the functions that are written in Python.
std::vector<const PythonSignature*> PythonFunctions();

}  // namespace torchferry::libtorch
