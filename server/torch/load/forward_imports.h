// The head of a forward.py: imports and the module's docstring, which TorchScript's parser does not know.
#pragma once

#include <absl/status/statusor.h>

#include <map>
#include <string>
#include <string_view>

namespace torchferry::libtorch {

struct ForwardImports {
  // Name in the file → what it stands for: "torch", "torch.nn.functional", "math".
  std::map<std::string, std::string> names;
  // The source with those lines blanked out: the same line numbers.
  std::string body;
};

// Understands `import torch`, `import math`, `import torch.nn.functional as F`, `from torch.nn import functional as F`,
// `from torch import Tensor` and `from typing import …`, at the top level. INVALID_ARGUMENT with the line for any other
// import.
absl::StatusOr<ForwardImports> ReadImports(std::string_view source, std::string_view file);

}  // namespace torchferry::libtorch
