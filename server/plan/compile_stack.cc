#include "server/plan/compile_stack.h"

#include <algorithm>
#include <string_view>

namespace torchferry::plan {
namespace {

// Estimates on the safe side: LibTorch 2.11 exhausts 8 MiB near 3,000 functions in a row, or near 10,000 levels.
constexpr uint64_t kBaseBytes = uint64_t{16} << 20;
constexpr uint64_t kFunctionBytes = uint64_t{24} << 10;
constexpr uint64_t kLevelBytes = uint64_t{2} << 10;
constexpr uint64_t kMaxLevels = 1100;  // in one function: nesting.h's, of expressions and of blocks

// A level of an expression takes one of these at least, or a space behind a word.
bool IsOperator(char c) { return std::string_view("([{+-*/%@&|^~<>=!. \t").find(c) != std::string_view::npos; }

uint64_t FunctionBytes(uint64_t operators) { return kFunctionBytes + std::min(operators, kMaxLevels) * kLevelBytes; }

}  // namespace

uint64_t CompileStackBytes(std::span<const std::string> sources) {
  uint64_t bytes = kBaseBytes;
  for (const std::string& source : sources) {
    uint64_t operators = 0;
    for (size_t begin = 0; begin < source.size();) {
      const size_t end = std::min(source.find('\n', begin), source.size());
      const std::string_view line = std::string_view(source).substr(begin, end - begin);
      const std::string_view code = line.substr(std::min(line.find_first_not_of(" \t\r\f\v"), line.size()));
      if (code.starts_with("def") || code.starts_with("class")) {
        bytes += FunctionBytes(operators);
        operators = 0;
      }
      operators += static_cast<uint64_t>(std::ranges::count_if(code, IsOperator));
      begin = end + 1;
    }
    bytes += FunctionBytes(operators);
  }
  return bytes;
}

}  // namespace torchferry::plan
