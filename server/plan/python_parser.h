// Reads constructors: a part of Python, as trees. Runs nothing. Pure.
#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <string>
#include <string_view>

#include "server/plan/python_tree.h"

namespace torchferry::plan {

// "FILE:LINE:COLUMN" of a place in the text of `file`.
std::string PlaceOf(const PythonFile& file, const char* at);

// INVALID_ARGUMENT "FILE:LINE:COLUMN: …" for a statement or expression outside the language of constructors, or nested
// deeper than layer_limits.h allows. The trees point into `function.file`. Time is linear in the text.
absl::StatusOr<ParsedFunction> ParseFunction(const FunctionSource& function);
// Reads `NAME = expression`.
absl::StatusOr<Stmt> ParseStatement(const PythonFile& file, TokenRange tokens);
// Reads expressions with commas between them.
absl::StatusOr<std::vector<Expr>> ParseExpressions(const PythonFile& file, TokenRange tokens);
// Reads the `text` inside f"{text}". It has its own tokens, and the tree points into the same text.
absl::StatusOr<Expr> ParseInside(const PythonFile& file, std::string_view text);

}  // namespace torchferry::plan
