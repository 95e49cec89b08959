// Where each value of a protobuf text is written, for messages that point at it. TextFormat's own ParseInfoTree is not
// used. It gives all elements of a bracketed list one place, and counts the later ones wrongly.
#pragma once

#include <compare>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace torchferry::config {

// Both count from 1. Columns are bytes; after a tab the column is one more than a multiple of 8.
struct TextPosition {
  int line = 1;
  int column = 1;
  friend auto operator<=>(const TextPosition&, const TextPosition&) = default;
};

// The places of one message's fields. Immutable after Scan; a value type.
class TextPositions {
 public:
  TextPositions() = default;
  explicit TextPositions(TextPosition at) : at_(at) {}

  // Reads up to the first place where `text` is not well formed.
  static TextPositions Scan(std::string_view text);

  // Where this message is written: at its field's name, or at its brace in a bracketed list.
  TextPosition at() const { return at_; }

  // Where the index-th value of `field` is written: a scalar at the value itself, a message as above. at() for a
  // missing value.
  TextPosition Of(std::string_view field, int index = 0) const { return In(field, index).at(); }

  // Whether any value of `field` is written.
  bool Has(std::string_view field) const { return fields_.contains(field); }

  // The places inside the index-th message of `field`. For a missing message it is this message's own.
  const TextPositions& In(std::string_view field, int index = 0) const;

  // The field names from the top down to the value that is written at `position`. Empty if no value is there.
  std::vector<std::string> PathTo(TextPosition position) const;

 private:
  friend class TextScanner;

  TextPosition at_;
  std::map<std::string, std::vector<TextPositions>, std::less<>> fields_;
};

// The place of the last token before the one at `position`. For the first token it is `position` itself.
TextPosition TokenBefore(std::string_view text, TextPosition position);

}  // namespace torchferry::config
