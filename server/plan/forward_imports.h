// The head of a forward.py: imports and docstrings at the top level, which TorchScript's parser does not know. Pure.
#pragma once

#include <absl/status/statusor.h>

#include <map>
#include <string>
#include <string_view>

namespace torchferry::plan {

struct ForwardImports {
  // Name in the file → what it stands for: "torch", "torch.nn.functional", "math".
  std::map<std::string, std::string> names;
  // The source with those statements blanked out: the same line numbers.
  std::string body;
};

// Understands `import torch`, `import math`, `import torch.nn.functional as F`, `from torch.nn import functional as F`,
// `from torch import Tensor` and `from typing import …`, at the top level. INVALID_ARGUMENT with the line for any other
// import, and for more names than anybody imports. Time and memory are linear in the source; what is no token of
// TorchScript's ends the reading, and is the parser's to report.
absl::StatusOr<ForwardImports> ReadImports(std::string_view source, std::string_view file);

}  // namespace torchferry::plan
