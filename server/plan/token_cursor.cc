#include "server/plan/token_cursor.h"

#include "server/base/status.h"
#include "server/checkpoint/display.h"
#include "server/plan/python_parser.h"

namespace torchferry::plan {

TokenCursor::TokenCursor(const PythonFile& file, std::span<const ScriptToken> tokens) : file_(file), tokens_(tokens) {
  const std::string_view last = tokens.empty() ? std::string_view(file.text).substr(0, 0) : tokens.back().text;
  end_.text = last.substr(last.size());
  end_of_last_ = tokens.empty() ? end_.text.data() : tokens.front().text.data();
}

const ScriptToken& TokenCursor::Peek() const { return ok() && next_ < tokens_.size() ? tokens_[next_] : end_; }

bool TokenCursor::IsText(std::string_view text) const {
  return Peek().kind != ScriptTokenKind::kString && Text() == text;
}

ScriptToken TokenCursor::Take() {
  const ScriptToken token = Peek();
  if (next_ < tokens_.size()) ++next_;
  end_of_last_ = token.text.data() + token.text.size();
  return token;
}

bool TokenCursor::TakeIf(std::string_view text) {
  if (!IsText(text)) return false;
  Take();
  return true;
}

void TokenCursor::Expect(std::string_view text) {
  if (TakeIf(text)) return;
  Fail(At(), fmt::format("{} was expected{}", checkpoint::Quoted(text),
                         Text().empty() ? "" : fmt::format(" before {}", checkpoint::Quoted(Text()))));
}

std::string_view TokenCursor::TakeName() {
  if (IsAt(ScriptTokenKind::kWord)) return Take().text;
  Fail(At(), "a name was expected");
  return "";
}

void TokenCursor::Fail(const char* at, std::string_view message) {
  if (!status_.ok()) return;
  status_ = base::MakeStatus(absl::StatusCode::kInvalidArgument, "{}: {}", PlaceOf(file_, at), message);
}

}  // namespace torchferry::plan
