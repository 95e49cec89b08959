// The head of a forward.py: imports and docstrings at the top level, which TorchScript's parser does not know. Pure.
#pragma once

#include <absl/status/statusor.h>

#include <map>
#include <string>
#include <string_view>

namespace torchferry::plan {

struct ForwardImports {
  // Maps a name in the file to its meaning: "torch", "torch.nn.functional", "math".
  std::map<std::string, std::string> names;
  // The source with those statements blanked out. Line numbers stay the same.
  std::string body;
};

// Understands `import torch`, `import math`, `import torch.nn.functional as F` and `from torch.nn import functional as
// F`, at the top level. The same holds for `from torch import Tensor` and `from typing import …`. INVALID_ARGUMENT has
// the line of any other import, or says that there are too many names. Reading ends at the first text that is no token
// of TorchScript's; the parser reports it. Time and memory are linear in the source.
absl::StatusOr<ForwardImports> ReadImports(std::string_view source, std::string_view file);

}  // namespace torchferry::plan
