// Sizes of a torch.export program, which may be symbols: sympy's srepr, or plain text in older files.
#pragma once

#include <absl/status/statusor.h>

#include <string_view>

#include "server/checkpoint/exported_graph.h"
#include "server/checkpoint/exported_json.h"

namespace torchferry::checkpoint {

// Of {as_int} or {as_expr: {expr_str}}. DATA_LOSS: negative, or neither.
absl::StatusOr<ExportedSize> ReadSize(const JsonValue& value);

// Of "Symbol('s77', positive=True, integer=True)", "Mul(Integer(4), Symbol('s77', …))", "s77" and "4*s77"; another
// text is an expression.
ExportedSize ParseSize(std::string_view text);

}  // namespace torchferry::checkpoint
