#include "server/plan/passport_fields.h"

#include <algorithm>

#include "server/checkpoint/display.h"
#include "server/checkpoint/limits.h"

namespace torchferry::plan {
namespace {

using checkpoint::JsonValue;
using checkpoint::Quoted;

// Unknown fields that are named; of more nobody reads the list.
constexpr size_t kMaxNamedFields = 8;

absl::Status OfAnotherKind(const std::string& path, const JsonValue& value, JsonValue::Kind kind) {
  return Invalid("{} is {}; expected {}", path, checkpoint::Name(value.kind), checkpoint::Name(kind));
}

}  // namespace

absl::StatusOr<PassportObject> PassportObject::Of(const JsonValue& value, std::string path,
                                                  std::initializer_list<std::string_view> known,
                                                  std::vector<std::string>& unknown) {
  if (value.kind != JsonValue::Kind::kObject) {
    return OfAnotherKind(path.empty() ? "it" : path, value, JsonValue::Kind::kObject);
  }
  PassportObject object(value, std::move(path));
  for (const JsonValue& member : value.items) {
    if (std::ranges::find(known, member.key) != known.end() || unknown.size() >= kMaxNamedFields) continue;
    unknown.push_back(object.PathOf(member.key));
  }
  return object;
}

std::string PassportObject::PathOf(std::string_view name) const {
  const bool is_clean = name.size() <= limits::kMaxPassportTextBytes && checkpoint::IsCleanUtf8(name);
  const std::string shown = is_clean ? std::string(name) : Quoted(name);
  return path_.empty() ? shown : path_ + "." + shown;
}

absl::StatusOr<const JsonValue*> PassportObject::Find(std::string_view name, JsonValue::Kind kind) const {
  const JsonValue* value = value_.Find(name);
  if (value == nullptr || value->kind == JsonValue::Kind::kNull) return nullptr;
  if (value->kind != kind) return OfAnotherKind(PathOf(name), *value, kind);
  return value;
}

absl::StatusOr<const JsonValue*> PassportObject::Get(std::string_view name, JsonValue::Kind kind) const {
  FERRY_ASSIGN_OR_RETURN(const JsonValue* value, Find(name, kind));
  if (value == nullptr) return Invalid("{} is missing; expected {}", PathOf(name), checkpoint::Name(kind));
  return value;
}

absl::StatusOr<std::string> PassportObject::Text(std::string_view name) const {
  FERRY_ASSIGN_OR_RETURN(const JsonValue* value, Find(name, JsonValue::Kind::kString));
  if (value == nullptr) return std::string();
  return PassportText(*value, PathOf(name));
}

absl::StatusOr<std::string> PassportObject::Name(std::string_view name) const {
  FERRY_ASSIGN_OR_RETURN(std::string text, Text(name));
  if (text.empty()) return Invalid("{} is missing or empty; expected a text", PathOf(name));
  return text;
}

absl::StatusOr<std::string> PassportText(const JsonValue& value, const std::string& path) {
  if (value.kind != JsonValue::Kind::kString) return OfAnotherKind(path, value, JsonValue::Kind::kString);
  if (value.text.size() > limits::kMaxPassportTextBytes || !checkpoint::IsCleanUtf8(value.text)) {
    return Invalid("{} is {}; expected a text without control characters, of at most {} bytes", path,
                   Quoted(value.text), limits::kMaxPassportTextBytes);
  }
  return value.text;
}

absl::StatusOr<int64_t> PassportInteger(const JsonValue& value, const std::string& path, int64_t min, int64_t max) {
  if (value.kind != JsonValue::Kind::kInt) return OfAnotherKind(path, value, JsonValue::Kind::kInt);
  if (value.integer < min || value.integer > max) {
    return Invalid("{} is {}; expected {} to {}", path, value.integer, min, max);
  }
  return value.integer;
}

absl::Status ForEachItem(const JsonValue& list, const std::string& path, size_t max,
                         const std::function<absl::Status(const JsonValue& item, const std::string& path)>& read) {
  if (list.kind != JsonValue::Kind::kList) return OfAnotherKind(path, list, JsonValue::Kind::kList);
  if (list.items.size() > max) return Invalid("{} has {} entries; expected at most {}", path, list.items.size(), max);
  for (size_t i = 0; i < list.items.size(); ++i) {
    FERRY_RETURN_IF_ERROR(read(list.items[i], fmt::format("{}[{}]", path, i)));
  }
  return absl::OkStatus();
}

absl::StatusOr<tensor::Shape> PassportShape(const JsonValue& list, const std::string& path, int64_t min) {
  tensor::Shape shape;
  FERRY_RETURN_IF_ERROR(
      ForEachItem(list, path, limits::kMaxRank, [&](const JsonValue& item, const std::string& at) -> absl::Status {
        FERRY_ASSIGN_OR_RETURN(const int64_t size, PassportInteger(item, at, min, limits::kMaxPassportSize));
        shape.push_back(size);
        return absl::OkStatus();
      }));
  return shape;
}

}  // namespace torchferry::plan
