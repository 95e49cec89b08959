#include "server/config/text_positions.h"

#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <utility>

namespace torchferry::config {
namespace {

namespace io = google::protobuf::io;

// No field of ModelConfig lies deeper; hostile text must not use up the stack.
constexpr int kMaxPositionDepth = 32;

class IgnoreErrors : public io::ErrorCollector {
 public:
  void AddError(int /*line*/, io::ColumnNumber /*column*/, const std::string& /*message*/) override {}
};

// The tokens as TextFormat's parser sees them.
class Tokens {
 public:
  explicit Tokens(std::string_view text)
      : input_(text.data(), static_cast<int>(text.size())), tokenizer_(&input_, &ignore_errors_) {
    tokenizer_.set_comment_style(io::Tokenizer::SH_COMMENT_STYLE);
    tokenizer_.set_allow_f_after_float(true);
    tokenizer_.set_require_space_after_number(false);
    Next();
  }

  bool Next() { return tokenizer_.Next(); }
  bool Is(io::Tokenizer::TokenType type) { return tokenizer_.current().type == type; }
  bool Is(std::string_view text) { return tokenizer_.current().text == text; }
  bool AtEnd() { return Is(io::Tokenizer::TYPE_END); }
  bool Take(std::string_view text) {
    if (!Is(text)) return false;
    Next();
    return true;
  }
  const std::string& text() { return tokenizer_.current().text; }
  TextPosition at() { return {tokenizer_.current().line + 1, tokenizer_.current().column + 1}; }

 private:
  io::ArrayInputStream input_;
  IgnoreErrors ignore_errors_;
  io::Tokenizer tokenizer_;
};

}  // namespace

class TextScanner {
 public:
  explicit TextScanner(std::string_view text) : tokens_(text) {}

  // False where the text stops being well formed.
  bool ReadFields(TextPositions& message, int depth) {
    while (tokens_.Is(io::Tokenizer::TYPE_IDENTIFIER)) {
      const std::string name = tokens_.text();
      const TextPosition name_at = tokens_.at();
      tokens_.Next();
      tokens_.Take(":");
      std::vector<TextPositions>& values = message.fields_[name];
      if (tokens_.Is("[")) {
        if (!ReadList(values, depth)) return false;
      } else {
        const bool is_message = tokens_.Is("{") || tokens_.Is("<");
        if (!ReadValue(values, is_message ? name_at : tokens_.at(), depth)) return false;
      }
      if (!tokens_.Take(";")) tokens_.Take(",");
    }
    return true;
  }

 private:
  bool ReadList(std::vector<TextPositions>& values, int depth) {
    tokens_.Take("[");
    while (!tokens_.Take("]")) {
      if (!ReadValue(values, tokens_.at(), depth)) return false;
      tokens_.Take(",");
    }
    return true;
  }

  bool ReadValue(std::vector<TextPositions>& values, TextPosition at, int depth) {
    values.emplace_back(at);
    if (tokens_.Take("{") || tokens_.Take("<")) {
      if (depth == 0 || !ReadFields(values.back(), depth - 1)) return false;
      return tokens_.Take("}") || tokens_.Take(">");
    }
    tokens_.Take("-");
    if (tokens_.AtEnd() || tokens_.Is(io::Tokenizer::TYPE_SYMBOL)) return false;
    while (tokens_.Is(io::Tokenizer::TYPE_STRING)) {  // adjacent literals are one string
      tokens_.Next();
      if (!tokens_.Is(io::Tokenizer::TYPE_STRING)) return true;
    }
    tokens_.Next();
    return true;
  }

  Tokens tokens_;
};

TextPositions TextPositions::Scan(std::string_view text) {
  TextPositions top;
  TextScanner(text).ReadFields(top, kMaxPositionDepth);
  return top;
}

const TextPositions& TextPositions::In(std::string_view field, int index) const {
  const auto found = fields_.find(field);
  if (found == fields_.end() || index < 0 || std::cmp_greater_equal(index, found->second.size())) {
    return *this;
  }
  return found->second[static_cast<size_t>(index)];
}

std::vector<std::string> TextPositions::PathTo(TextPosition position) const {
  for (const auto& [name, values] : fields_) {
    for (const TextPositions& value : values) {
      if (value.at_ == position) return {name};
      std::vector<std::string> path = value.PathTo(position);
      if (path.empty()) continue;
      path.insert(path.begin(), name);
      return path;
    }
  }
  return {};
}

TextPosition TokenBefore(std::string_view text, TextPosition position) {
  Tokens tokens(text);
  TextPosition before = position;
  while (!tokens.AtEnd() && tokens.at() < position) {
    before = tokens.at();
    tokens.Next();
  }
  return before;
}

}  // namespace torchferry::config
