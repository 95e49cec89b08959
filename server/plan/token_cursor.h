// A place among a file's tokens, and the first error.
#pragma once

#include <absl/status/status.h>

#include <span>
#include <string>
#include <string_view>

#include "server/plan/python_tree.h"

namespace torchferry::plan {

class TokenCursor {
 public:
  TokenCursor(const PythonFile& file, std::span<const ScriptToken> tokens);

  // The token here. It is kEnd after the last one, and after an error.
  const ScriptToken& Peek() const;
  std::string_view Text() const { return Peek().text; }
  bool IsAt(ScriptTokenKind kind) const { return Peek().kind == kind; }
  // Whether the token is `text`, and not a string.
  bool IsText(std::string_view text) const;
  const char* At() const { return Peek().text.data(); }
  const char* EndOfLast() const { return end_of_last_; }

  ScriptToken Take();
  bool TakeIf(std::string_view text);
  // Takes `text`; its absence is an error.
  void Expect(std::string_view text);
  std::string_view TakeName();

  bool ok() const { return status_.ok(); }
  const absl::Status& status() const { return status_; }
  // Keeps the first error.
  void Fail(const char* at, std::string_view message);
  const PythonFile& file() const { return file_; }

 private:
  const PythonFile& file_;
  std::span<const ScriptToken> tokens_;
  size_t next_ = 0;
  ScriptToken end_;
  const char* end_of_last_;
  absl::Status status_;
};

}  // namespace torchferry::plan
