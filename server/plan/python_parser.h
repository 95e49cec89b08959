// Reads constructors: a part of Python into trees. Nothing is run here. Pure.
#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <string>
#include <string_view>

#include "server/plan/python_tree.h"

namespace torchferry::plan {

// "FILE:LINE:COLUMN" of a place in the text of `file`.
std::string PlaceOf(const PythonFile& file, const char* at);

// INVALID_ARGUMENT "FILE:LINE:COLUMN: …" for what is no statement or expression of the language that constructors may
// be written in, or nests deeper than layer_limits.h allows. The trees point into `function.file`. Linear in the text.
absl::StatusOr<ParsedFunction> ParseFunction(const FunctionSource& function);
// `NAME = expression`.
absl::StatusOr<Stmt> ParseStatement(const PythonFile& file, TokenRange tokens);
// Expressions with commas between them.
absl::StatusOr<std::vector<Expr>> ParseExpressions(const PythonFile& file, TokenRange tokens);
// Of f"{text}": tokens of their own, which point into the same text.
absl::StatusOr<Expr> ParseInside(const PythonFile& file, std::string_view text);

}  // namespace torchferry::plan
