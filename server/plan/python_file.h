// Reads the top level of a forward.py: classes with their methods, functions, constants. Pure.
#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <string>

#include "server/plan/forward_imports.h"
#include "server/plan/python_tree.h"

namespace torchferry::plan {

// `imports` is the result of ReadImports; messages call the file `name`. The content of functions is not read: it may
// be in TorchScript's language, which is larger. INVALID_ARGUMENT "FILE:LINE:COLUMN: …" for a statement that no class
// of a forward.py may have. Time is linear in the text.
absl::StatusOr<std::shared_ptr<const PythonFile>> ReadPythonFile(const ForwardImports& imports, std::string name,
                                                                 bool is_library = false);

// Whether it has more than functions with `self`. If so, its constructors say what the layers are.
bool HasConstructors(const PythonFile& file);

// The text for TorchScript: the top-level functions of `file` that take `self`, at their lines. The rest is blank.
std::string TopLevelMethods(const PythonFile& file);

}  // namespace torchferry::plan
