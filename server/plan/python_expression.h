// Expressions of the language that constructors are written in.
#pragma once

#include "server/plan/token_cursor.h"

namespace torchferry::plan {

// Reads one expression; `a, b` counts as two. A fault becomes the cursor's error. `depth` is that of the enclosing
// expression.
Expr ReadExpression(TokenCursor& cursor, size_t depth = 0);
// Reads one expression, or a tuple without brackets.
Expr ReadExpressions(TokenCursor& cursor, size_t depth = 0);

// Reads the targets of a loop: names with commas between them, up to `in`.
Expr ReadTarget(TokenCursor& cursor);

}  // namespace torchferry::plan
