// Any bytes as a TorchScript source: read to an end, and what is said of it names its file.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "server/base/status.h"
#include "server/plan/code_scan.h"
#include "server/plan/nesting.h"
#include "server/plan/script_lexer.h"

namespace {

using torchferry::plan::ScriptToken;
using torchferry::plan::ScriptTokenKind;

void Require(bool is_so) {
  if (!is_so) std::abort();
}

// Tokens come in order, and between them lies nothing but blanks.
void CheckTokens(std::string_view source) {
  torchferry::plan::ScriptLexer lexer(source);
  size_t at = 0;
  size_t line = 1;
  while (true) {
    const ScriptToken token = lexer.Next();
    const auto begin = static_cast<size_t>(token.text.data() - source.data());
    Require(begin >= at && begin + token.text.size() <= source.size() && token.line >= line);
    at = begin + token.text.size();
    line = token.line;
    if (token.kind == ScriptTokenKind::kEnd) {
      Require(at == source.size());
      return;
    }
    if (token.kind == ScriptTokenKind::kInvalid) {
      Require(lexer.Next().kind == ScriptTokenKind::kInvalid);
      return;
    }
    Require(token.kind == ScriptTokenKind::kLine || !token.text.empty());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view source(reinterpret_cast<const char*>(data), size);
  CheckTokens(source);
  torchferry::plan::CodeSize code_size;
  for (const absl::Status& status :
       {torchferry::plan::ScanSource(source, "m.py"), torchferry::plan::CheckNesting(source, "m.py", code_size)}) {
    Require(status.ok() || torchferry::base::MessageOf(status).starts_with("m.py:"));
  }
  for (const std::string& name : torchferry::plan::CustomOperators(source)) {
    Require(name.find("::") != std::string::npos);
  }
  return 0;
}
