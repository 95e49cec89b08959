#include "client/tensor/npy_header.h"

#include <charconv>

#include "server/base/status.h"

namespace torchferry::client {
namespace {

constexpr size_t kMaxRank = 32;  // numpy's limit before 2.0

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  absl::StatusOr<NpyHeader> Parse() {
    NpyHeader header;
    bool has_descr = false, has_order = false, has_shape = false;
    if (!Take('{')) return Expected("{");
    while (!Take('}')) {
      FERRY_ASSIGN_OR_RETURN(const std::string key, TakeString());
      if (!Take(':')) return Expected(":");
      if (key == "descr" && !has_descr) {
        has_descr = true;
        FERRY_ASSIGN_OR_RETURN(header.descr, TakeDescr());
      } else if (key == "fortran_order" && !has_order) {
        has_order = true;
        FERRY_ASSIGN_OR_RETURN(header.is_fortran_order, TakeBool());
      } else if (key == "shape" && !has_shape) {
        has_shape = true;
        FERRY_ASSIGN_OR_RETURN(header.shape, TakeShape());
      } else {
        return base::MakeStatus(absl::StatusCode::kInvalidArgument, "its header has an unknown or repeated key '{}'",
                                key);
      }
      if (!Take(',') && Peek() != '}') return Expected(", or }");
    }
    if (Peek() != '\0') return Expected("the end of the header");
    if (!has_descr || !has_order || !has_shape) {
      return absl::InvalidArgumentError("its header lacks descr, fortran_order or shape");
    }
    return header;
  }

 private:
  char Peek() {
    while (position_ < text_.size() && (text_[position_] == ' ' || text_[position_] == '\n')) {
      ++position_;
    }
    return position_ < text_.size() ? text_[position_] : '\0';
  }

  bool Take(char c) {
    if (Peek() != c || position_ >= text_.size()) return false;
    ++position_;
    return true;
  }

  absl::Status Expected(std::string_view what) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument, "its header lacks {} at byte {}", what, position_);
  }

  absl::StatusOr<std::string> TakeString() {
    const char quote = Peek();
    if (quote != '\'' && quote != '"') return Expected("a quoted word");
    const size_t end = text_.find(quote, position_ + 1);
    if (end == std::string_view::npos) return Expected("a closing quote");
    std::string word(text_.substr(position_ + 1, end - position_ - 1));
    position_ = end + 1;
    return word;
  }

  absl::StatusOr<std::string> TakeDescr() {
    if (Peek() == '[') {
      return absl::InvalidArgumentError("its dtype is a structure of several fields, which is not supported");
    }
    return TakeString();
  }

  absl::StatusOr<bool> TakeBool() {
    Peek();
    for (const auto& [word, value] : {std::pair{"True", true}, std::pair{"False", false}}) {
      const std::string_view name(word);
      if (text_.substr(position_).starts_with(name)) {
        position_ += name.size();
        return value;
      }
    }
    return Expected("True or False");
  }

  absl::StatusOr<tensor::Shape> TakeShape() {
    tensor::Shape shape;
    if (!Take('(')) return Expected("(");
    while (!Take(')')) {
      FERRY_ASSIGN_OR_RETURN(const int64_t size, TakeSize());
      shape.push_back(size);
      if (shape.size() > kMaxRank) {
        return base::MakeStatus(absl::StatusCode::kInvalidArgument, "it has more than {} dimensions", kMaxRank);
      }
      if (!Take(',') && Peek() != ')') return Expected(", or )");
    }
    return shape;
  }

  absl::StatusOr<int64_t> TakeSize() {
    Peek();
    int64_t size = 0;
    const char* begin = text_.data() + position_;
    const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), size);
    if (error != std::errc() || size < 0) return Expected("a dimension from 0 to 2^63-1");
    position_ += static_cast<size_t>(end - begin);
    Take('L');  // as Python 2 wrote it
    return size;
  }

  const std::string_view text_;
  size_t position_ = 0;
};

}  // namespace

absl::StatusOr<NpyHeader> ParseNpyHeader(std::string_view text) { return Parser(text).Parse(); }

}  // namespace torchferry::client
