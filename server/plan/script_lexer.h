// The tokens of TorchScript's language, exactly as LibTorch's lexer (torch/csrc/jit/frontend/lexer.h) sees them. What
// looks through code before LibTorch is given it reads these: a scan with an eye of its own for strings, numbers or
// comments can be made to miss code that LibTorch compiles. `torch_test` holds both lexers against each other.
#pragma once

#include <cstddef>
#include <string_view>

namespace torchferry::plan {

enum class ScriptTokenKind {
  kWord,     // a name or a keyword; also "is not" and "not in", which are one token each
  kNumber,   // `1`, `.5`, `1.e5`, `0x1f`, `2j`: without a sign
  kString,   // with its quotes, of which there are one or three
  kSign,     // an operator, a bracket, `# type:`
  kLine,     // a statement's end, or the start of the source; `indent` is that of what follows
  kEnd,      // the end of the source
  kInvalid,  // LibTorch has no token here: its parser fails, and nothing after it is read
};

struct ScriptToken {
  ScriptTokenKind kind = ScriptTokenKind::kEnd;
  std::string_view text;  // a part of the source
  size_t line = 1;        // where it starts, from 1
  size_t indent = 0;      // of kLine: characters of white space
  size_t skipped = 0;     // comments and ends of lines before it, each of which LibTorch's lexer takes a call for
};

// One pass over `source`, which has to outlive the lexer and its tokens. A copy of a lexer looks ahead. Time is linear
// in the source, and there is no recursion.
class ScriptLexer {
 public:
  explicit ScriptLexer(std::string_view source) : source_(source) {}

  // kEnd and kInvalid come again and again.
  ScriptToken Next();

 private:
  // Passes over white space, comments, and line ends that end no statement; gives their number.
  size_t SkipBlanks(size_t& start);
  // The token at at_, which is no blank; `start` is where blanks of its line began.
  ScriptToken TakeToken(size_t start);
  ScriptToken Take(ScriptTokenKind kind, size_t begin, size_t size);

  std::string_view source_;
  size_t at_ = 0;
  size_t line_ = 1;
  size_t brackets_ = 0;        // wraps below zero, as LibTorch's does
  bool is_line_start_ = true;  // white space is a token
  bool is_invalid_ = false;
};

}  // namespace torchferry::plan
