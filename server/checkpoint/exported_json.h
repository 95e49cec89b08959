// The JSON of a torch.export program as a tree, without what is not needed of it.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace torchferry::checkpoint {

struct JsonValue {
  enum class Kind { kNull, kBool, kInt, kFloat, kString, kList, kObject };

  Kind kind = Kind::kNull;
  int64_t integer = 0;  // of kInt; of kBool 0 or 1
  double number = 0;    // of kFloat
  std::string key;      // its name in the object that it is a member of
  std::string text;     // of kString
  std::vector<JsonValue> items;

  // The member `name` of an object; null for a value that is none or has none of that name.
  const JsonValue* Find(std::string_view name) const;
};

// "a list", "null".
std::string_view Name(JsonValue::Kind kind);

// Reads one document. `metadata` of the graph and of its nodes is left out: it is the larger part of most programs, and
// holds paths of the machine that exported it.
// DATA_LOSS: no JSON, the same key twice in an object, integers beyond 64 bits, what breaks a limit of limits.h.
absl::StatusOr<JsonValue> ParseProgramJson(std::string_view text);

}  // namespace torchferry::checkpoint
