// Sizes of a torch.export program. They may be symbols, in sympy's srepr, or in plain text in older files.
#pragma once

#include <absl/status/statusor.h>

#include <string_view>

#include "server/checkpoint/exported_graph.h"
#include "server/checkpoint/exported_json.h"

namespace torchferry::checkpoint {

// Reads {as_int} or {as_expr: {expr_str}}. DATA_LOSS: negative or malformed. INVALID_ARGUMENT: another tag.
absl::StatusOr<ExportedSize> ReadSize(const JsonValue& value);

// Reads "Symbol('s77', positive=True, integer=True)", "Mul(Integer(4), Symbol('s77', …))", "s77" and "4*s77". Any other
// text becomes an expression.
ExportedSize ParseSize(std::string_view text);

}  // namespace torchferry::checkpoint
