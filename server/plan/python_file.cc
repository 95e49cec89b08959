#include "server/plan/python_file.h"

#include <algorithm>
#include <utility>

#include "server/base/status.h"
#include "server/checkpoint/display.h"
#include "server/plan/python_parser.h"

namespace torchferry::plan {
namespace {

bool IsEnd(const ScriptToken& token) {
  return token.kind == ScriptTokenKind::kEnd || token.kind == ScriptTokenKind::kInvalid;
}

class FileReader {
 public:
  explicit FileReader(PythonFile& file) : file_(file) {
    ScriptLexer lexer(file.text);
    do {
      file.tokens.push_back(lexer.Next());
    } while (!IsEnd(file.tokens.back()));
  }

  absl::Status Read() {
    const size_t count = file_.tokens.size() - 1;
    for (size_t at = 0; at < count;) {
      if (Token(at).kind == ScriptTokenKind::kLine) {
        ++at;
        continue;
      }
      const size_t end = EndOfBlock(at, Indent(at));
      FERRY_RETURN_IF_ERROR(ReadTopLevel(at, end));
      at = end;
    }
    return absl::OkStatus();
  }

 private:
  const ScriptToken& Token(size_t at) const { return file_.tokens[at]; }
  std::string_view Text(size_t at) const {
    return Token(at).kind == ScriptTokenKind::kString ? std::string_view() : Token(at).text;
  }
  size_t Indent(size_t at) const {
    return at > 0 && Token(at - 1).kind == ScriptTokenKind::kLine ? Token(at - 1).indent : 0;
  }

  // Before the next line that stands no further to the right than `indent`, or the end.
  size_t EndOfBlock(size_t at, size_t indent) const {
    while (!IsEnd(Token(at)) && (Token(at).kind != ScriptTokenKind::kLine || Token(at).indent > indent)) ++at;
    return at;
  }

  // Whole lines, with those of comments behind.
  std::pair<size_t, size_t> Extent(size_t begin, size_t end) const {
    const auto offset = [&](size_t at) { return static_cast<size_t>(Token(at).text.data() - file_.text.data()); };
    const size_t first = file_.text.rfind('\n', offset(begin)) + 1;  // npos + 1 is 0
    const size_t last = IsEnd(Token(end)) ? file_.text.size() : file_.text.rfind('\n', offset(end)) + 1;
    return {std::min(first, offset(begin)), std::max(last, offset(begin))};
  }

  FunctionSource Function(size_t begin, size_t end) const {
    FunctionSource function;
    function.name = begin + 1 < end ? std::string(Token(begin + 1).text) : "";
    function.file = &file_;
    function.tokens = {begin, end};
    const auto [first, last] = Extent(begin, end);
    function.text = std::string_view(file_.text).substr(first, last - first);
    function.line = Token(begin).line;
    function.takes_self = begin + 3 < end && Text(begin + 3) == "self";
    return function;
  }

  absl::Status ReadTopLevel(size_t begin, size_t end) {
    const std::string_view first = Text(begin);
    if (first == "def") {
      FunctionSource function = Function(begin, end);
      const bool is_constructor = function.name == "__init__";
      if (is_constructor || !function.takes_self) file_.blanks.push_back(Extent(begin, end));
      file_.functions.insert_or_assign(function.name, std::move(function));
    } else if (first == "class") {
      file_.blanks.push_back(Extent(begin, end));
      return ReadClass(begin, end);
    } else if (first == "@" || IsMainGuard(begin)) {
      file_.blanks.push_back(Extent(begin, end));
    } else if (IsAssignment(begin, end)) {
      file_.blanks.push_back(Extent(begin, end));
      file_.assignments.push_back({begin, end});
    }
    return absl::OkStatus();
  }

  // if __name__ == "__main__":
  bool IsMainGuard(size_t at) const { return Text(at) == "if" && Text(at + 1) == "__name__"; }

  bool IsAssignment(size_t begin, size_t end) const {
    return Token(begin).kind == ScriptTokenKind::kWord && begin + 2 < end &&
           (Text(begin + 1) == "=" || Text(begin + 1) == ":");
  }

  absl::Status Error(size_t at, std::string_view message) const {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument, "{}: {}", PlaceOf(file_, Token(at).text.data()),
                            message);
  }

  absl::Status ReadClass(size_t begin, size_t end) {
    ClassSource source;
    source.name = begin + 1 < end ? std::string(Token(begin + 1).text) : "";
    source.file = &file_;
    source.line = Token(begin).line;
    size_t at = begin + 2;
    if (Text(at) == "(") {
      source.bases.begin = ++at;
      for (size_t depth = 1; at < end; ++at) {
        if (Text(at) == "(") ++depth;
        if (Text(at) == ")" && --depth == 0) break;
      }
      source.bases.end = at++;
    }
    if (Text(at) != ":" || at >= end) return Error(std::min(at, end), "\":\" was expected after the name of a class");
    if (!file_.classes.contains(source.name)) file_.class_order.push_back(source.name);
    FERRY_RETURN_IF_ERROR(ReadMembers(at + 1, end, source));
    file_.classes.insert_or_assign(source.name, std::move(source));
    return absl::OkStatus();
  }

  absl::Status ReadMembers(size_t at, size_t end, ClassSource& source) const {
    std::string decorator;
    while (at < end) {
      if (Token(at).kind == ScriptTokenKind::kLine) {
        ++at;
        continue;
      }
      const size_t next = std::min(EndOfBlock(at, Indent(at)), end);
      if (Text(at) == "@") {
        decorator = Token(next - 1).text;
      } else if (Text(at) == "def") {
        FunctionSource function = Function(at, next);
        function.decorator = std::exchange(decorator, "");
        source.functions.insert_or_assign(function.name, std::move(function));
      } else if (IsAssignment(at, next)) {
        source.assignments.push_back({at, next});
      } else if (Token(at).kind != ScriptTokenKind::kString && Text(at) != "pass" && Text(at) != "...") {
        return Error(at, fmt::format("{} is not understood in a class; it may have methods and constants",
                                     checkpoint::Quoted(Token(at).text)));
      }
      at = std::max(next, at + 1);
    }
    return absl::OkStatus();
  }

  PythonFile& file_;
};

}  // namespace

absl::StatusOr<std::shared_ptr<const PythonFile>> ReadPythonFile(const ForwardImports& imports, std::string name,
                                                                 bool is_library) {
  auto file = std::make_shared<PythonFile>();
  file->name = std::move(name);
  file->text = imports.body;
  file->is_library = is_library;
  file->imports = imports.names;
  FERRY_RETURN_IF_ERROR(FileReader(*file).Read());
  return file;
}

bool HasConstructors(const PythonFile& file) { return !file.classes.empty() || file.functions.contains("__init__"); }

std::string TopLevelMethods(const PythonFile& file) {
  std::string text = file.text;
  for (const auto& [begin, end] : file.blanks) {
    for (size_t at = begin; at < end; ++at) {
      if (text[at] != '\n') text[at] = ' ';
    }
  }
  return text;
}

}  // namespace torchferry::plan
