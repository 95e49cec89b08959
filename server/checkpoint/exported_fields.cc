#include "server/checkpoint/exported_fields.h"

#include <limits>

#include "server/base/status.h"
#include "server/checkpoint/display.h"
#include "server/checkpoint/limits.h"

namespace torchferry::checkpoint {
namespace {

absl::Status Unexpected(const JsonValue& value, std::string_view expected) {
  return base::MakeStatus(absl::StatusCode::kDataLoss, "is {}; expected {}", Name(value.kind), expected);
}

}  // namespace

absl::StatusOr<const JsonValue*> OptionalField(const JsonValue& object, std::string_view name, JsonValue::Kind kind) {
  if (object.kind != JsonValue::Kind::kObject) return Unexpected(object, fmt::format("an object with {}", name));
  const JsonValue* value = object.Find(name);
  if (value == nullptr || value->kind == JsonValue::Kind::kNull) return nullptr;
  if (value->kind != kind) return base::Annotate(Unexpected(*value, Name(kind)), name);
  return value;
}

absl::StatusOr<const JsonValue*> Field(const JsonValue& object, std::string_view name, JsonValue::Kind kind) {
  FERRY_ASSIGN_OR_RETURN(const JsonValue* value, OptionalField(object, name, kind));
  if (value == nullptr) {
    return base::MakeStatus(absl::StatusCode::kDataLoss, "has no {}; expected {}", Quoted(name), Name(kind));
  }
  return value;
}

absl::StatusOr<std::string> ReadName(const JsonValue& value) {
  if (value.kind != JsonValue::Kind::kString) return Unexpected(value, "a name");
  if (value.text.empty() || value.text.size() > limits::kMaxProgramNameBytes || !IsCleanUtf8(value.text)) {
    return base::MakeStatus(absl::StatusCode::kDataLoss, "the name {} is no clean text of 1 to {} bytes",
                            Quoted(value.text), limits::kMaxProgramNameBytes);
  }
  return value.text;
}

absl::StatusOr<std::string> NameField(const JsonValue& object, std::string_view name) {
  FERRY_ASSIGN_OR_RETURN(const JsonValue* value, Field(object, name, JsonValue::Kind::kString));
  return ReadName(*value);
}

absl::StatusOr<int64_t> ReadInteger(const JsonValue& value) {
  if (value.kind != JsonValue::Kind::kInt) return Unexpected(value, "an integer");
  return value.integer;
}

absl::StatusOr<bool> ReadBool(const JsonValue& value) {
  if (value.kind != JsonValue::Kind::kBool) return Unexpected(value, "a boolean");
  return value.integer != 0;
}

absl::StatusOr<double> ReadNumber(const JsonValue& value) {
  if (value.kind == JsonValue::Kind::kFloat) return value.number;
  if (value.kind == JsonValue::Kind::kInt) return static_cast<double>(value.integer);
  if (value.kind == JsonValue::Kind::kString) {
    if (value.text == "Infinity") return std::numeric_limits<double>::infinity();
    if (value.text == "-Infinity") return -std::numeric_limits<double>::infinity();
    if (value.text == "NaN") return std::numeric_limits<double>::quiet_NaN();
  }
  return Unexpected(value, R"(a number, "Infinity", "-Infinity" or "NaN")");
}

absl::StatusOr<Union> ReadUnion(const JsonValue& value) {
  if (value.kind != JsonValue::Kind::kObject || value.items.size() != 1) {
    return base::MakeStatus(absl::StatusCode::kDataLoss, "is {} with {} values; expected an object with one member",
                            Name(value.kind), value.items.size());
  }
  return Union{value.items.front().key, &value.items.front()};
}

absl::Status UnknownTag(std::string_view what, std::string_view tag) {
  return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                          "has {} of the kind {}, which this server does not know; export the model with PyTorch up to "
                          "2.15, or update the server",
                          what, Quoted(tag));
}

}  // namespace torchferry::checkpoint
