// Typed access to a program's JSON (torch._export.serde.schema). Dataclasses are objects. A union is an object with one
// member, its tag. Messages name the field, and the caller adds where it is.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "server/checkpoint/exported_json.h"

namespace torchferry::checkpoint {

// Gives a member of that kind. DATA_LOSS for a missing member, or one of another kind.
absl::StatusOr<const JsonValue*> Field(const JsonValue& object, std::string_view name, JsonValue::Kind kind);
// Gives null where the member is missing or null. DATA_LOSS for one of another kind.
absl::StatusOr<const JsonValue*> OptionalField(const JsonValue& object, std::string_view name, JsonValue::Kind kind);

// The text of a member, or of the value itself, that is a name: clean, not empty and of bounded length. DATA_LOSS for
// any other value.
absl::StatusOr<std::string> NameField(const JsonValue& object, std::string_view name);
absl::StatusOr<std::string> ReadName(const JsonValue& value);

// DATA_LOSS for another kind of value.
absl::StatusOr<int64_t> ReadInteger(const JsonValue& value);
absl::StatusOr<bool> ReadBool(const JsonValue& value);
// Reads a number, "Infinity", "-Infinity" or "NaN".
absl::StatusOr<double> ReadNumber(const JsonValue& value);

struct Union {
  std::string_view tag;  // a view of the tree
  const JsonValue* value = nullptr;
};
// DATA_LOSS for a value that is no object with one member.
absl::StatusOr<Union> ReadUnion(const JsonValue& value);

// INVALID_ARGUMENT: `what` has a tag that no known version of the schema has.
absl::Status UnknownTag(std::string_view what, std::string_view tag);

}  // namespace torchferry::checkpoint
