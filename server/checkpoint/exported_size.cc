#include "server/checkpoint/exported_size.h"

#include <charconv>
#include <optional>

#include "server/base/status.h"
#include "server/checkpoint/exported_fields.h"

namespace torchferry::checkpoint {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsWordCharacter(char c) { return IsDigit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

// Takes pieces from the front of a text.
class Pieces {
 public:
  explicit Pieces(std::string_view text) : rest_(text) {}

  bool IsAtEnd() const { return rest_.empty(); }

  bool Take(std::string_view piece) {
    if (!rest_.starts_with(piece)) return false;
    rest_.remove_prefix(piece.size());
    return true;
  }

  // Empty where none is there.
  std::string_view TakeWord() {
    size_t length = 0;
    while (length < rest_.size() && IsWordCharacter(rest_[length])) ++length;
    const std::string_view word = rest_.substr(0, length);
    if (word.empty() || IsDigit(word.front())) return "";
    rest_.remove_prefix(length);
    return word;
  }

  // A positive one.
  std::optional<int64_t> TakeInteger() {
    int64_t value = 0;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (error != std::errc() || value <= 0) return std::nullopt;
    rest_.remove_prefix(static_cast<size_t>(end - rest_.data()));
    return value;
  }

  // The name of Symbol('s77', positive=True, integer=True). Its assumptions are not looked at.
  std::string_view TakeSymbol() {
    if (!Take("Symbol('")) return "";
    const std::string_view name = TakeWord();
    if (name.empty() || !Take("'")) return "";
    while (Take(", ")) {
      if (TakeWord().empty() || !Take("=") || TakeWord().empty()) return "";
    }
    return Take(")") ? name : "";
  }

 private:
  std::string_view rest_;
};

std::optional<ExportedSize> Multiple(std::string_view symbol, int64_t factor, bool is_whole) {
  if (symbol.empty() || !is_whole) return std::nullopt;
  ExportedSize size;
  size.symbol = symbol;
  size.factor = factor;
  return size;
}

std::optional<ExportedSize> ParseRepresentation(std::string_view text) {
  Pieces pieces(text);
  int64_t factor = 1;
  const bool is_product = pieces.Take("Mul(");
  if (is_product) {
    if (!pieces.Take("Integer(")) return std::nullopt;
    const std::optional<int64_t> integer = pieces.TakeInteger();
    if (!integer.has_value() || !pieces.Take("), ")) return std::nullopt;
    factor = *integer;
  }
  const std::string_view symbol = pieces.TakeSymbol();
  return Multiple(symbol, factor, (!is_product || pieces.Take(")")) && pieces.IsAtEnd());
}

std::optional<ExportedSize> ParsePlain(std::string_view text) {
  Pieces pieces(text);
  int64_t factor = 1;
  if (const std::optional<int64_t> integer = pieces.TakeInteger(); integer.has_value()) {
    if (!pieces.Take("*")) return std::nullopt;
    factor = *integer;
  }
  const std::string_view symbol = pieces.TakeWord();
  return Multiple(symbol, factor, pieces.IsAtEnd());
}

}  // namespace

ExportedSize ParseSize(std::string_view text) {
  std::optional<ExportedSize> size = ParseRepresentation(text);
  if (!size.has_value()) size = ParsePlain(text);
  if (!size.has_value()) size.emplace();
  size->expression = text;
  return *std::move(size);
}

absl::StatusOr<ExportedSize> ReadSize(const JsonValue& value) {
  FERRY_ASSIGN_OR_RETURN(const Union size, ReadUnion(value));
  if (size.tag == "as_int") {
    FERRY_ASSIGN_OR_RETURN(const int64_t known, ReadInteger(*size.value));
    if (known < 0) return base::MakeStatus(absl::StatusCode::kDataLoss, "is a size of {}", known);
    ExportedSize result;
    result.known = known;
    return result;
  }
  if (size.tag != "as_expr") return UnknownTag("a size", size.tag);
  FERRY_ASSIGN_OR_RETURN(const JsonValue* text, Field(*size.value, "expr_str", JsonValue::Kind::kString));
  // One that is known after all.
  int64_t known = 0;
  const char* end = text->text.data() + text->text.size();
  const auto [stop, error] = std::from_chars(text->text.data(), end, known);
  if (error == std::errc() && stop == end && known >= 0) {
    ExportedSize result;
    result.known = known;
    return result;
  }
  return ParseSize(text->text);
}

}  // namespace torchferry::checkpoint
