#include "server/plan/forward_calls.h"

#include <algorithm>
#include <unordered_map>
#include <utility>
#include <vector>

#include "server/base/status.h"
#include "server/checkpoint/display.h"
#include "server/plan/script_lexer.h"

namespace torchferry::plan {
namespace {

// What LibTorch's stack takes for a call, and for each block around it, by what it takes for an operator around it.
// Calls that cost 4,500 in all end a process with a stack of 8 MiB.
constexpr size_t kStackOfCall = 6;
constexpr size_t kStackOfBlock = 2;
constexpr size_t kMaxStack = 2500;

struct Function {
  std::string_view name;
  size_t line = 0;
  size_t stack = kStackOfCall;          // its own, at its deepest
  std::vector<std::string_view> names;  // what it may call
};

// A name in quotes, as getattr takes it.
std::string_view Unquoted(std::string_view text) { return text.size() < 2 ? text : text.substr(1, text.size() - 2); }

// Finds the functions. Words and signs in a row count as nested: more than they cost, and never less.
class FunctionReader {
 public:
  explicit FunctionReader(std::string_view body) : lexer_(body) {}

  std::vector<Function> Read() {
    for (ScriptToken token = lexer_.Next();; token = lexer_.Next()) {
      if (token.kind == ScriptTokenKind::kEnd || token.kind == ScriptTokenKind::kInvalid) {
        is_whole_ = token.kind == ScriptTokenKind::kEnd;
        return std::move(functions_);
      }
      if (token.kind == ScriptTokenKind::kLine) {
        StartLine(token.indent);
      } else {
        Take(token);
      }
      last_ = token;
    }
  }

  // After Read: whether it came to the end.
  bool is_whole() const { return is_whole_; }

 private:
  void StartLine(size_t indent) {
    while (!indents_.empty() && indents_.back() > indent) indents_.pop_back();
    if (indents_.empty() || indents_.back() < indent) indents_.push_back(indent);
    depths_ = {0};
    total_ = 0;
  }

  void Take(const ScriptToken& token) {
    if (last_.kind == ScriptTokenKind::kLine && token.text == "def") {
      functions_.emplace_back().line = token.line;
      return;
    }
    if (functions_.empty()) return;
    Function& function = functions_.back();
    if (function.name.empty()) {
      function.name = token.text;
    } else if (token.kind == ScriptTokenKind::kWord && last_.text == ".") {
      function.names.push_back(token.text);
    } else if (token.kind == ScriptTokenKind::kString) {
      function.names.push_back(Unquoted(token.text));
    }
    Count(token);
    function.stack = std::max(function.stack, kStackOfCall + kStackOfBlock * indents_.size() + total_);
  }

  void Count(const ScriptToken& token) {
    const char first = token.text[0];
    if (first == ',' || first == ')' || first == ']' || first == '}') {
      total_ -= depths_.back();
      depths_.back() = 0;
      if (first != ',' && depths_.size() > 1) depths_.pop_back();
      return;
    }
    ++total_;
    ++depths_.back();
    if (first == '(' || first == '[' || first == '{') depths_.push_back(0);
  }

  ScriptLexer lexer_;
  ScriptToken last_;
  std::vector<Function> functions_;
  std::vector<size_t> indents_;
  std::vector<size_t> depths_ = {0};  // by bracket
  size_t total_ = 0;
  bool is_whole_ = false;
};

// What each function takes with what it calls. A name may be a tensor's method as well, so that functions seem to call
// one another in a circle: those of a circle count together (Tarjan's strongly connected components, without
// recursion).
class CallWalk {
 public:
  explicit CallWalk(std::vector<Function> functions) : functions_(std::move(functions)), marks_(functions_.size()) {
    for (size_t i = 0; i < functions_.size(); ++i) by_name_[functions_[i].name] = i;
  }

  // The first function that takes more than `most`.
  const Function* FindDeeper(size_t most) {
    for (size_t i = 0; i < functions_.size(); ++i) {
      if (marks_[i].order == 0) Visit(i);
    }
    for (size_t i = 0; i < functions_.size(); ++i) {
      if (marks_[i].stack > most) return &functions_[i];
    }
    return nullptr;
  }

 private:
  struct Mark {
    size_t order = 0;   // from 1, as it was first seen
    size_t lowest = 0;  // order that its calls lead back to
    size_t next = 0;    // of its names
    bool is_open = false;
    size_t stack = 0;  // of it and what it calls; known when it is closed
  };

  void Open(size_t function) {
    Mark& mark = marks_[function];
    mark.order = mark.lowest = ++seen_;
    mark.is_open = true;
    path_.push_back(function);
    open_.push_back(function);
  }

  void Visit(size_t start) {
    for (Open(start); !path_.empty();) {
      const size_t current = path_.back();
      Mark& mark = marks_[current];
      if (mark.next < functions_[current].names.size()) {
        const auto called = by_name_.find(functions_[current].names[mark.next++]);
        if (called == by_name_.end()) continue;
        const Mark& other = marks_[called->second];
        if (other.order == 0) {
          Open(called->second);
        } else if (other.is_open) {
          mark.lowest = std::min(mark.lowest, other.order);
        } else {
          mark.stack = std::max(mark.stack, other.stack);
        }
        continue;
      }
      path_.pop_back();
      if (mark.lowest == mark.order) CloseCircle(current);
      if (path_.empty()) return;
      Mark& caller = marks_[path_.back()];
      caller.lowest = std::min(caller.lowest, mark.lowest);
      if (!mark.is_open) caller.stack = std::max(caller.stack, mark.stack);
    }
  }

  // `first` and those that were opened after it and are not closed.
  void CloseCircle(size_t first) {
    const auto begin = std::ranges::find(open_.rbegin(), open_.rend(), first).base() - 1;
    size_t own = 0;
    size_t below = 0;
    for (auto it = begin; it != open_.end(); ++it) {
      own += functions_[*it].stack;
      below = std::max(below, marks_[*it].stack);
    }
    for (auto it = begin; it != open_.end(); ++it) {
      marks_[*it].stack = own + below;
      marks_[*it].is_open = false;
    }
    open_.erase(begin, open_.end());
  }

  const std::vector<Function> functions_;
  std::vector<Mark> marks_;
  std::unordered_map<std::string_view, size_t> by_name_;
  std::vector<size_t> path_;
  std::vector<size_t> open_;
  size_t seen_ = 0;
};

}  // namespace

absl::Status CheckCalls(std::string_view body, std::string_view file) {
  CallWalk walk(FunctionReader(body).Read());
  const Function* const deeper = walk.FindDeeper(kMaxStack);
  if (deeper == nullptr) return absl::OkStatus();
  return base::MakeStatus(
      absl::StatusCode::kInvalidArgument,
      "{}:{}: {} calls functions that call functions, deeper than the compiler can follow. At most {} words and signs "
      "of the statements on the way may stand around one another; call the functions one after another",
      file, deeper->line, checkpoint::Quoted(deeper->name), kMaxStack);
}

bool HasFunction(std::string_view body, std::string_view name) {
  FunctionReader reader(body);
  const std::vector<Function> functions = reader.Read();
  return !reader.is_whole() || std::ranges::find(functions, name, &Function::name) != functions.end();
}

}  // namespace torchferry::plan
