// Typed access to a program's JSON (torch._export.serde.schema): dataclasses are objects, and a union is an object with
// one member, its tag. Messages name the field, and the caller says where it is.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "server/checkpoint/exported_json.h"

namespace torchferry::checkpoint {

// A member of the kind. DATA_LOSS where there is none, or one of another kind.
absl::StatusOr<const JsonValue*> Field(const JsonValue& object, std::string_view name, JsonValue::Kind kind);
// Null where it is missing or null. DATA_LOSS for one of another kind.
absl::StatusOr<const JsonValue*> OptionalField(const JsonValue& object, std::string_view name, JsonValue::Kind kind);

// The text of a member, or of the value itself, that is the name of something: clean, not empty and of bounded length.
// DATA_LOSS where it is none.
absl::StatusOr<std::string> NameField(const JsonValue& object, std::string_view name);
absl::StatusOr<std::string> ReadName(const JsonValue& value);

// DATA_LOSS for another kind of value.
absl::StatusOr<int64_t> ReadInteger(const JsonValue& value);
absl::StatusOr<bool> ReadBool(const JsonValue& value);
// A number, or "Infinity", "-Infinity", "NaN".
absl::StatusOr<double> ReadNumber(const JsonValue& value);

struct Union {
  std::string_view tag;  // of the tree
  const JsonValue* value = nullptr;
};
// DATA_LOSS for what is no object with one member.
absl::StatusOr<Union> ReadUnion(const JsonValue& value);

// INVALID_ARGUMENT: `what` has a tag that no version of the schema that is known has.
absl::Status UnknownTag(std::string_view what, std::string_view tag);

}  // namespace torchferry::checkpoint
