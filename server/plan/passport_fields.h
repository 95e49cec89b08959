// Typed access to a passport's fields. Messages begin with the field's path, "signature.inputs[0].dims".
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "server/base/status.h"
#include "server/checkpoint/exported_json.h"
#include "server/tensor/shape.h"

namespace torchferry::plan {

template <typename... Args>
absl::Status Invalid(fmt::format_string<Args...> format, Args&&... args) {
  return base::MakeStatus(absl::StatusCode::kInvalidArgument, format, std::forward<Args>(args)...);
}

// An object in a passport, or the passport itself, with its path. A view: the tree must outlive it.
class PassportObject {
 public:
  // INVALID_ARGUMENT where `value` is no object. Its members that are not in `known` are added to `unknown`.
  static absl::StatusOr<PassportObject> Of(const checkpoint::JsonValue& value, std::string path,
                                           std::initializer_list<std::string_view> known,
                                           std::vector<std::string>& unknown);

  // The path of a member: "saved.torch".
  std::string PathOf(std::string_view name) const;

  // Null where the member is missing or null. INVALID_ARGUMENT for a member of another kind.
  absl::StatusOr<const checkpoint::JsonValue*> Find(std::string_view name, checkpoint::JsonValue::Kind kind) const;
  // The same; INVALID_ARGUMENT where it is missing.
  absl::StatusOr<const checkpoint::JsonValue*> Get(std::string_view name, checkpoint::JsonValue::Kind kind) const;

  // A text without control characters, within limits::kMaxPassportTextBytes; "" where it is missing.
  absl::StatusOr<std::string> Text(std::string_view name) const;
  // The same; INVALID_ARGUMENT where it is missing or empty.
  absl::StatusOr<std::string> Name(std::string_view name) const;

 private:
  PassportObject(const checkpoint::JsonValue& value, std::string path) : value_(value), path_(std::move(path)) {}

  const checkpoint::JsonValue& value_;
  const std::string path_;
};

// The same as PassportObject::Text, for a value that is at `path`.
absl::StatusOr<std::string> PassportText(const checkpoint::JsonValue& value, const std::string& path);

// INVALID_ARGUMENT: no integer from `min` to `max`.
absl::StatusOr<int64_t> PassportInteger(const checkpoint::JsonValue& value, const std::string& path, int64_t min,
                                        int64_t max);

// Calls `read` for each item of a list, with the item's path. Gives the first error of `read`. INVALID_ARGUMENT for
// more than `max` items.
absl::Status ForEachItem(
    const checkpoint::JsonValue& list, const std::string& path, size_t max,
    const std::function<absl::Status(const checkpoint::JsonValue& item, const std::string& path)>& read);

// Sizes of `min` or more. INVALID_ARGUMENT for any other value.
absl::StatusOr<tensor::Shape> PassportShape(const checkpoint::JsonValue& list, const std::string& path, int64_t min);

}  // namespace torchferry::plan
