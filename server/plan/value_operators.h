// Operators of the values that constructors compute with, as Python has them. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "server/plan/module_tree.h"

namespace torchferry::plan {

// A value, or why there is none: "unsupported operand types for +: a text and an int".
using ValueOrReason = std::variant<PlanValue, std::string>;

bool IsTrue(const PlanValue& value);
// As == compares: by value for numbers, text and lists, by identity for modules and classes.
bool AreEqual(const PlanValue& a, const PlanValue& b, size_t depth = 0);
// Numbers, text and comparisons; lists are joined by the interpreter, which counts their items.
ValueOrReason BinaryOperator(std::string_view op, const PlanValue& a, const PlanValue& b);
ValueOrReason UnaryOperator(std::string_view op, const PlanValue& a);
// "an int", "a text", "nn.Linear(3, 4)".
std::string KindName(const PlanValue& value);
// As repr() shows it, cut where it is long.
std::string Shown(const PlanValue& value, size_t depth = 0);
// A number as written in source: 7, 1e-5, 0x10. Nothing for what is none, or too large.
std::optional<PlanValue> NumberOf(std::string_view text);
// What a quoted string stands for.
std::string TextOf(std::string_view quoted);

PlanValue IntValue(int64_t value);
PlanValue BoolValue(bool value);
PlanValue FloatValue(double value);
PlanValue TextValue(std::string value);

}  // namespace torchferry::plan
