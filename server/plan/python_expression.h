// Expressions of the language that constructors are written in.
#pragma once

#include "server/plan/token_cursor.h"

namespace torchferry::plan {

// One expression, `a, b` being two; what is wrong is the cursor's error. `depth`: of what it stands in.
Expr ReadExpression(TokenCursor& cursor, size_t depth = 0);
// One expression, or a tuple without brackets.
Expr ReadExpressions(TokenCursor& cursor, size_t depth = 0);

// What a loop assigns to: names, with commas between them, up to `in`.
Expr ReadTarget(TokenCursor& cursor);

}  // namespace torchferry::plan
