// The JSON of a torch.export program as a tree, without the parts that are not needed.
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
  int64_t integer = 0;  // of kInt; of kBool: 0 or 1
  double number = 0;    // of kFloat
  std::string key;      // its name, if it is a member of an object
  std::string text;     // of kString
  std::vector<JsonValue> items;

  // The member `name` of an object. Null for a value that is no object, or has no such member.
  const JsonValue* Find(std::string_view name) const;
};

// Names a kind: "a list", "null".
std::string_view Name(JsonValue::Kind kind);

// Reads one document. It leaves out `metadata` of the graph and of its nodes. These are the larger part of most
// programs, and hold paths of the machine that exported them.
// DATA_LOSS: no JSON, the same key twice in an object, integers beyond 64 bits, or a value above a limit of limits.h.
absl::StatusOr<JsonValue> ParseProgramJson(std::string_view text);

}  // namespace torchferry::checkpoint
