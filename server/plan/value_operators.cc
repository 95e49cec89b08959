#include "server/plan/value_operators.h"

#include <absl/strings/numbers.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "server/checkpoint/display.h"
#include "server/plan/layer_limits.h"

namespace torchferry::plan {
namespace {

double RealOf(const PlanValue& value) {
  return value.Is(ValueKind::kFloat) ? value.real : static_cast<double>(value.integer);
}

std::string Unsupported(std::string_view op, const PlanValue& a, const PlanValue& b) {
  return fmt::format("{} has no meaning for {} and {}", op, KindName(a), KindName(b));
}

std::optional<int64_t> FloorDivide(int64_t a, int64_t b) {
  if (b == -1) return a == INT64_MIN ? std::nullopt : std::optional(-a);
  const int64_t quotient = a / b;
  return a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}

std::optional<int64_t> Power(int64_t base, int64_t exponent) {
  int64_t result = 1;
  for (int64_t i = 0; i < exponent; ++i) {
    if (__builtin_mul_overflow(result, base, &result)) return std::nullopt;
    if (result == 0 || (result == 1 && base == 1) || i > 64) break;
  }
  if (base == -1) return exponent % 2 == 0 ? 1 : -1;
  return result;
}

std::optional<int64_t> IntegerResult(std::string_view op, int64_t a, int64_t b) {
  int64_t result = 0;
  if (op == "+") return __builtin_add_overflow(a, b, &result) ? std::nullopt : std::optional(result);
  if (op == "-") return __builtin_sub_overflow(a, b, &result) ? std::nullopt : std::optional(result);
  if (op == "*") return __builtin_mul_overflow(a, b, &result) ? std::nullopt : std::optional(result);
  if (op == "//") return FloorDivide(a, b);
  if (op == "%") {
    if (b == -1) return 0;
    const int64_t rest = a % b;
    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
  }
  if (op == "<<" && b >= 0 && b < 62 && a >= 0 && a < (int64_t{1} << (62 - b))) return a << b;
  if (op == ">>" && b >= 0 && b < 63) return a >> b;
  if (op == "&") return a & b;
  if (op == "|") return a | b;
  if (op == "^") return a ^ b;
  if (op == "**") return Power(a, b);
  return std::nullopt;
}

std::optional<double> RealResult(std::string_view op, double a, double b) {
  if (op == "+") return a + b;
  if (op == "-") return a - b;
  if (op == "*") return a * b;
  if (op == "/") return a / b;
  if (op == "//") return std::floor(a / b);
  if (op == "%") return a - b * std::floor(a / b);
  if (op == "**") return std::pow(a, b);
  return std::nullopt;
}

template <typename T>
std::optional<bool> Compare(std::string_view op, const T& a, const T& b) {
  if (op == "<") return a < b;
  if (op == ">") return a > b;
  if (op == "<=") return a <= b;
  if (op == ">=") return a >= b;
  return std::nullopt;
}

ValueOrReason Arithmetic(std::string_view op, const PlanValue& a, const PlanValue& b) {
  const bool is_division = op == "/" || op == "//" || op == "%";
  if (is_division && RealOf(b) == 0) return fmt::format("{} {} {} divides by zero", Shown(a), op, Shown(b));
  const bool is_whole =
      !a.Is(ValueKind::kFloat) && !b.Is(ValueKind::kFloat) && op != "/" && !(op == "**" && b.integer < 0);
  if (is_whole) {
    const std::optional<int64_t> result = IntegerResult(op, a.integer, b.integer);
    if (!result.has_value()) return fmt::format("{} {} {} is no number of 64 bits", Shown(a), op, Shown(b));
    return IntValue(*result);
  }
  const std::optional<double> result = RealResult(op, RealOf(a), RealOf(b));
  if (!result.has_value() || !std::isfinite(*result)) return Unsupported(op, a, b);
  return FloatValue(*result);
}

bool IsAmong(const PlanValue& a, const PlanValue& b) {
  if (b.items == nullptr) return false;
  const size_t step = b.Is(ValueKind::kDict) ? 2 : 1;
  for (size_t i = 0; i < b.items->size(); i += step) {
    if (AreEqual(a, (*b.items)[i])) return true;
  }
  return false;
}

bool IsSame(const PlanValue& a, const PlanValue& b) {
  if (a.kind != b.kind) return false;
  return a.items != nullptr ? a.items == b.items : AreEqual(a, b);
}

}  // namespace

PlanValue IntValue(int64_t value) {
  PlanValue result;
  result.kind = ValueKind::kInt;
  result.integer = value;
  return result;
}

PlanValue BoolValue(bool value) {
  PlanValue result = IntValue(value ? 1 : 0);
  result.kind = ValueKind::kBool;
  return result;
}

PlanValue FloatValue(double value) {
  PlanValue result;
  result.kind = ValueKind::kFloat;
  result.real = value;
  return result;
}

PlanValue TextValue(std::string value) {
  PlanValue result;
  result.kind = ValueKind::kText;
  result.text = std::move(value);
  return result;
}

bool IsTrue(const PlanValue& value) {
  if (value.Is(ValueKind::kNone)) return false;
  if (value.Is(ValueKind::kFloat)) return value.real != 0;
  if (value.IsNumber()) return value.integer != 0;
  if (value.Is(ValueKind::kText)) return !value.text.empty();
  if (value.IsList() || value.Is(ValueKind::kDict)) return !value.items->empty();
  if (value.Is(ValueKind::kModule) && value.module->IsContainer()) return !value.module->child_order.empty();
  return true;
}

bool AreEqual(const PlanValue& a, const PlanValue& b, size_t depth) {
  if (a.IsNumber() && b.IsNumber()) return RealOf(a) == RealOf(b);
  if (a.kind != b.kind) return false;
  if ((a.IsList() || a.Is(ValueKind::kDict)) && a.items != b.items) {
    constexpr size_t kMaxDepth = 2;  // lists in lists: deeper ones are not equal, as they may share parts
    return depth < kMaxDepth && std::ranges::equal(*a.items, *b.items, [&](const PlanValue& x, const PlanValue& y) {
             return AreEqual(x, y, depth + 1);
           });
  }
  return a.text == b.text && a.items == b.items && a.module == b.module && a.type == b.type && a.function == b.function;
}

ValueOrReason BinaryOperator(std::string_view op, const PlanValue& a, const PlanValue& b) {
  if (op == "==" || op == "!=") return BoolValue(AreEqual(a, b) == (op == "=="));
  if (op == "is" || op == "is not") return BoolValue(IsSame(a, b) == (op == "is"));
  if (op == "in" || op == "not in") {
    if (b.Is(ValueKind::kText) && a.Is(ValueKind::kText)) {
      return BoolValue((b.text.find(a.text) != std::string::npos) == (op == "in"));
    }
    if (b.items != nullptr) return BoolValue(IsAmong(a, b) == (op == "in"));
    return Unsupported(op, a, b);
  }
  if (a.Is(ValueKind::kTensor) || b.Is(ValueKind::kTensor)) {
    PlanValue result = a.Is(ValueKind::kTensor) ? a : b;
    const bool is_scaled = a.IsNumber() || b.IsNumber();
    if (!is_scaled) result.items = nullptr;  // the shape is that of both
    return result;
  }
  if (a.IsNumber() && b.IsNumber()) {
    if (const auto result = Compare(op, RealOf(a), RealOf(b))) return BoolValue(*result);
    return Arithmetic(op, a, b);
  }
  if (a.Is(ValueKind::kText) && b.Is(ValueKind::kText)) {
    if (const auto result = Compare(op, a.text, b.text)) return BoolValue(*result);
    if (op == "+") {
      if (a.text.size() + b.text.size() <= layer_limits::kMaxTextBytes) return TextValue(a.text + b.text);
      return fmt::format("a text of more than {} bytes", layer_limits::kMaxTextBytes);
    }
  }
  return Unsupported(op, a, b);
}

ValueOrReason UnaryOperator(std::string_view op, const PlanValue& a) {
  if (op == "not") return BoolValue(!IsTrue(a));
  if (a.Is(ValueKind::kFloat) && op != "~") return FloatValue(op == "-" ? -a.real : a.real);
  if (a.IsNumber()) {
    if (op == "-") return Arithmetic("-", IntValue(0), IntValue(a.integer));
    return IntValue(op == "~" ? ~a.integer : a.integer);
  }
  if (a.Is(ValueKind::kTensor)) return a;
  return fmt::format("{} has no meaning for {}", op, KindName(a));
}

std::string KindName(const PlanValue& value) {
  switch (value.kind) {
    case ValueKind::kNone:
      return "None";
    case ValueKind::kBool:
      return "a bool";
    case ValueKind::kInt:
      return "an int";
    case ValueKind::kFloat:
      return "a float";
    case ValueKind::kText:
      return "a text";
    case ValueKind::kList:
      return "a list";
    case ValueKind::kTuple:
      return "a tuple";
    case ValueKind::kDict:
      return "a dict";
    case ValueKind::kModule:
      return value.module->spelled.empty() ? "the module" : value.module->spelled;
    case ValueKind::kTensor:
      return "a tensor";
    case ValueKind::kClass:
      return fmt::format("the class {}", value.type->name);
    case ValueKind::kFunction:
      return fmt::format("the function {}", value.function->name);
    case ValueKind::kName:
    case ValueKind::kMethod:
      return value.text;
    case ValueKind::kSuper:
      return "super()";
    case ValueKind::kPartial:
      return "a partial function";
  }
  return "a value";
}

std::string Shown(const PlanValue& value, size_t depth) {
  constexpr size_t kMaxShown = 8;
  if (value.Is(ValueKind::kBool)) return value.integer != 0 ? "True" : "False";
  if (value.Is(ValueKind::kInt)) return std::to_string(value.integer);
  if (value.Is(ValueKind::kFloat)) return fmt::format("{}", value.real);
  if (value.Is(ValueKind::kText)) return checkpoint::Quoted(value.text.substr(0, 100));
  if (!value.IsList() || depth > 3) return KindName(value);
  std::string shown = value.Is(ValueKind::kList) ? "[" : "(";
  for (size_t i = 0; i < value.items->size(); ++i) {
    if (i > 0) shown += ", ";
    if (i == kMaxShown) {
      shown += "…";
      break;
    }
    shown += Shown((*value.items)[i], depth + 1);
  }
  if (value.Is(ValueKind::kTuple) && value.items->size() == 1) shown += ",";
  return shown + (value.Is(ValueKind::kList) ? "]" : ")");
}

std::optional<PlanValue> NumberOf(std::string_view text) {
  const std::string digits(text);
  int64_t integer = 0;
  const bool is_hex = text.starts_with("0x") || text.starts_with("0X");
  if (is_hex ? absl::SimpleHexAtoi(digits, &integer) : absl::SimpleAtoi(digits, &integer)) return IntValue(integer);
  double real = 0;
  if (!is_hex && absl::SimpleAtod(digits, &real)) return FloatValue(real);
  return std::nullopt;
}

std::string TextOf(std::string_view quoted) {
  const size_t quotes = quoted.size() >= 6 && quoted[0] == quoted[1] && quoted[1] == quoted[2] ? 3 : 1;
  if (quoted.size() < 2 * quotes) return "";
  const std::string_view inner = quoted.substr(quotes, quoted.size() - 2 * quotes);
  std::string text;
  for (size_t i = 0; i < inner.size() && text.size() <= layer_limits::kMaxTextBytes; ++i) {
    const bool is_escape = inner[i] == '\\' && i + 1 < inner.size();
    if (is_escape) ++i;
    text += is_escape && inner[i] == 'n' ? '\n' : inner[i];
  }
  return text;
}

}  // namespace torchferry::plan
