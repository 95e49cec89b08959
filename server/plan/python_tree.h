// Trees for a part of Python: the language that the constructors of a forward.py use. Plain data.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "server/plan/script_lexer.h"

namespace torchferry::plan {

enum class ExprKind {
  kMissing,        // a part that is left out: x[:2]
  kNumber,         // text
  kText,           // text: with its quotes
  kFormatted,      // f"…": text with its quotes
  kName,           // text
  kAttribute,      // parts[0].text
  kCall,           // parts[0](parts[1], …)
  kKeyword,        // text=parts[0], in a call
  kStar,           // *parts[0]
  kDoubleStar,     // **parts[0]
  kSubscript,      // parts[0][parts[1]]
  kSlice,          // parts[0]:parts[1]:parts[2]
  kList,           // [parts…]
  kTuple,          // (parts…)
  kDict,           // {parts[0]: parts[1], …}
  kComprehension,  // [parts[0] for parts[1] in parts[2] if parts[3]]; parts[3] may be missing
  kUnary,          // text parts[0]
  kBinary,         // parts[0] text parts[1]
  kTernary,        // parts[1] if parts[0] else parts[2]
};

struct Expr {
  ExprKind kind = ExprKind::kMissing;
  std::string_view text;  // of the source
  const char* at = nullptr;
  std::vector<Expr> parts;
  const char* end = nullptr;  // after its last character
};

enum class StmtKind { kExpression, kAssign, kAugmented, kIf, kFor, kReturn, kRaise, kAssert, kPass, kBreak, kContinue };

struct Stmt {
  StmtKind kind = StmtKind::kPass;
  const char* at = nullptr;
  std::string_view text;  // of kAugmented: "+="
  // kAssign: targets, then the value. kIf: tests. kFor: target, iterable.
  std::vector<Expr> exprs;
  std::vector<std::vector<Stmt>> blocks;  // kIf: one for each test, then that of `else`, if any
};

struct Parameter {
  std::string_view name;
  ExprKind kind = ExprKind::kName;  // kStar, kDoubleStar: *name, **name
  bool has_default = false;
  bool is_keyword_only = false;
  Expr value;  // the default
};

struct ParsedFunction {
  std::vector<Parameter> parameters;
  std::vector<Stmt> body;
};

// Tokens of a file, from `begin` to before `end`.
struct TokenRange {
  size_t begin = 0;
  size_t end = 0;
};

struct PythonFile;

struct FunctionSource {
  std::string name;
  const PythonFile* file = nullptr;
  TokenRange tokens;      // from `def`
  std::string_view text;  // whole lines
  size_t line = 1;
  std::string decorator;  // "staticmethod"; the last one, if there are several
  bool takes_self = false;
};

struct ClassSource {
  std::string name;
  const PythonFile* file = nullptr;
  TokenRange bases;  // between the brackets
  std::map<std::string, FunctionSource, std::less<>> functions;
  std::vector<TokenRange> assignments;  // `expansion = 4`
  size_t line = 1;
};

// A file's text and its top level. Trees point into it, so it does not move.
struct PythonFile {
  PythonFile() = default;
  PythonFile(const PythonFile&) = delete;
  PythonFile& operator=(const PythonFile&) = delete;

  std::string name;  // the file's name in messages
  std::string text;
  bool is_library = false;                     // this project's own layers
  std::map<std::string, std::string> imports;  // as ForwardImports::names
  std::vector<ScriptToken> tokens;
  std::map<std::string, FunctionSource, std::less<>> functions;  // those with `self` are the file's own methods
  std::map<std::string, ClassSource, std::less<>> classes;
  std::vector<std::string> class_order;
  std::vector<TokenRange> assignments;
  // Ranges of `text` that are not functions: classes, `__init__`, constants. They have no meaning in TorchScript.
  std::vector<std::pair<size_t, size_t>> blanks;
};

}  // namespace torchferry::plan
