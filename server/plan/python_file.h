// What stands at the top level of a forward.py: classes with their methods, functions, constants. Pure.
#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <string>

#include "server/plan/forward_imports.h"
#include "server/plan/python_tree.h"

namespace torchferry::plan {

// `imports` of ReadImports. `name` is what messages call the file. What a function holds is not looked at: it may be in
// TorchScript's language, which is larger. INVALID_ARGUMENT "FILE:LINE:COLUMN: …" for what no forward.py may have in a
// class. Linear in the text.
absl::StatusOr<std::shared_ptr<const PythonFile>> ReadPythonFile(const ForwardImports& imports, std::string name,
                                                                 bool is_library = false);

// Whether there is anything in it but functions with `self`: then constructors say what the layers are.
bool HasConstructors(const PythonFile& file);

// What is left of the text for TorchScript: the top-level functions of `file` that take `self`, at their lines.
std::string TopLevelMethods(const PythonFile& file);

}  // namespace torchferry::plan
