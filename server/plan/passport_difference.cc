// Two passports of one model: what they say together, and what they do not say alike.
#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "server/base/cut_text.h"
#include "server/checkpoint/display.h"
#include "server/plan/passport.h"

namespace torchferry::plan {
namespace {

using checkpoint::JsonValue;
using Kind = JsonValue::Kind;

constexpr size_t kMaxShownBytes = 64;

std::string Shown(const JsonValue* value) {
  if (value == nullptr) return "nothing";
  switch (value->kind) {
    case Kind::kBool:
      return value->integer != 0 ? "true" : "false";
    case Kind::kInt:
      return std::to_string(value->integer);
    case Kind::kFloat:
      return fmt::format("{}", value->number);
    case Kind::kString:
      return checkpoint::Quoted(base::CutText(value->text, kMaxShownBytes));
    case Kind::kList:
      return fmt::format("a list of {}", value->items.size());
    default:
      return std::string(checkpoint::Name(value->kind));
  }
}

bool IsNumber(const JsonValue& value) { return value.kind == Kind::kInt || value.kind == Kind::kFloat; }

double NumberOf(const JsonValue& value) {
  return value.kind == Kind::kInt ? static_cast<double>(value.integer) : value.number;
}

std::string Differ(const std::string& path, const JsonValue* one, const JsonValue* other) {
  return fmt::format("{} is {} and {}", path.empty() ? "it" : path, Shown(one), Shown(other));
}

// Nesting is bounded: ParsePassportJson.
std::string Compare(const std::string& path, const JsonValue& one, const JsonValue& other);

std::string PathOf(const std::string& path, const std::string& key) { return path.empty() ? key : path + "." + key; }

std::string CompareObjects(const std::string& path, const JsonValue& one, const JsonValue& other) {
  for (const JsonValue& member : one.items) {
    const JsonValue* second = other.Find(member.key);
    if (second == nullptr) return Differ(PathOf(path, member.key), &member, nullptr);
    if (std::string found = Compare(PathOf(path, member.key), member, *second); !found.empty()) return found;
  }
  for (const JsonValue& member : other.items) {
    if (one.Find(member.key) == nullptr) return Differ(PathOf(path, member.key), nullptr, &member);
  }
  return "";
}

std::string Compare(const std::string& path, const JsonValue& one, const JsonValue& other) {
  if (IsNumber(one) && IsNumber(other)) return NumberOf(one) == NumberOf(other) ? "" : Differ(path, &one, &other);
  if (one.kind != other.kind) return Differ(path, &one, &other);
  if (one.kind == Kind::kObject) return CompareObjects(path, one, other);
  if (one.kind != Kind::kList) {
    return one.integer == other.integer && one.text == other.text ? "" : Differ(path, &one, &other);
  }
  if (one.items.size() != other.items.size()) return Differ(path, &one, &other);
  for (size_t i = 0; i < one.items.size(); ++i) {
    std::string found = Compare(fmt::format("{}[{}]", path, i), one.items[i], other.items[i]);
    if (!found.empty()) return found;
  }
  return "";
}

std::string Merge(const std::string& path, const JsonValue& from, JsonValue& into) {
  for (const JsonValue& member : from.items) {
    const auto known = std::ranges::find(into.items, member.key, &JsonValue::key);
    if (known == into.items.end()) {
      into.items.push_back(member);
      continue;
    }
    const std::string at = PathOf(path, member.key);
    const bool are_objects = known->kind == Kind::kObject && member.kind == Kind::kObject;
    if (std::string found = are_objects ? Merge(at, member, *known) : Compare(at, *known, member); !found.empty())
      return found;
  }
  return "";
}

}  // namespace

std::string MergePassport(const JsonValue& from, JsonValue& into) {
  const bool are_objects = from.kind == Kind::kObject && into.kind == Kind::kObject;
  return are_objects ? Merge("", from, into) : Compare("", into, from);
}

}  // namespace torchferry::plan
