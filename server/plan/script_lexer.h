// The tokens of TorchScript's language, exactly as LibTorch's lexer (torch/csrc/jit/frontend/lexer.h) sees them. Every
// check of code before LibTorch gets it reads these tokens. A check with its own rules for strings, numbers or comments
// could miss code that LibTorch compiles. `torch_test` compares both lexers.
#pragma once

#include <cstddef>
#include <string_view>

namespace torchferry::plan {

enum class ScriptTokenKind {
  kWord,     // a name or a keyword; also "is not" and "not in", which are one token each
  kNumber,   // `1`, `.5`, `1.e5`, `0x1f`, `2j`: without a sign
  kString,   // with its quotes, one or three on each side
  kSign,     // an operator, a bracket, `# type:`
  kLine,     // the end of a statement, or the start of the source; `indent` is that of the next text
  kEnd,      // the end of the source
  kInvalid,  // LibTorch has no token here: its parser fails, and nothing after it is read
};

struct ScriptToken {
  ScriptTokenKind kind = ScriptTokenKind::kEnd;
  std::string_view text;  // a part of the source
  size_t line = 1;        // where it starts, from 1
  size_t indent = 0;      // of kLine: characters of white space
  size_t skipped = 0;     // comments and line ends before it; LibTorch's lexer makes a call for each
};

// Reads `source` once; it must outlive the lexer and its tokens. A copy of a lexer looks ahead. Time is linear in the
// source, and there is no recursion.
class ScriptLexer {
 public:
  explicit ScriptLexer(std::string_view source) : source_(source) {}

  // Repeats kEnd and kInvalid on later calls.
  ScriptToken Next();

 private:
  // Passes over white space, comments, and line ends that end no statement. Returns the number of comments and line
  // ends.
  size_t SkipBlanks(size_t& start);
  // Takes the token at at_, which is not blank. The blanks of its line began at `start`.
  ScriptToken TakeToken(size_t start);
  ScriptToken Take(ScriptTokenKind kind, size_t begin, size_t size);

  std::string_view source_;
  size_t at_ = 0;
  size_t line_ = 1;
  size_t brackets_ = 0;        // wraps below zero, like LibTorch's
  bool is_line_start_ = true;  // white space is a token
  bool is_invalid_ = false;
};

}  // namespace torchferry::plan
