// Operators on the values of constructors, with Python's meaning. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "server/plan/module_tree.h"

namespace torchferry::plan {

// A value, or the reason why it cannot be computed: "unsupported operand types for +: a text and an int".
using ValueOrReason = std::variant<PlanValue, std::string>;

bool IsTrue(const PlanValue& value);
// Compares like ==: numbers, text and lists by value, modules and classes by identity.
bool AreEqual(const PlanValue& a, const PlanValue& b, size_t depth = 0);
// Takes numbers, text and comparisons. The interpreter joins lists, because it counts their items.
ValueOrReason BinaryOperator(std::string_view op, const PlanValue& a, const PlanValue& b);
ValueOrReason UnaryOperator(std::string_view op, const PlanValue& a);
// Names a value's kind: "an int", "a text", "nn.Linear(3, 4)".
std::string KindName(const PlanValue& value);
// Shows a value like repr(), cut where it is long.
std::string Shown(const PlanValue& value, size_t depth = 0);
// Reads a number as written in source: 7, 1e-5, 0x10. Nothing for a text that is not a number, or is too large.
std::optional<PlanValue> NumberOf(std::string_view text);
// The text that a quoted string stands for.
std::string TextOf(std::string_view quoted);

PlanValue IntValue(int64_t value);
PlanValue BoolValue(bool value);
PlanValue FloatValue(double value);
PlanValue TextValue(std::string value);

}  // namespace torchferry::plan
