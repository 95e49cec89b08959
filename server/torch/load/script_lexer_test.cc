// plan/script_lexer.h against LibTorch's own lexer: what looks through code must see the tokens that LibTorch compiles.
#include "server/plan/script_lexer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/frontend/lexer.h>

#include <exception>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace torchferry::libtorch {
namespace {

using plan::ScriptLexer;
using plan::ScriptToken;
using plan::ScriptTokenKind;

struct Tokens {
  std::vector<std::string> texts;  // a line's end or an indentation: "<line>", once where they follow each other
  bool is_whole = true;            // false: ended by what is no token
};

void AddLine(Tokens& tokens) {
  if (tokens.texts.empty() || tokens.texts.back() != "<line>") tokens.texts.emplace_back("<line>");
}

Tokens OurTokens(const std::string& source) {
  Tokens tokens;
  ScriptLexer lexer(source);
  while (true) {
    const ScriptToken token = lexer.Next();
    if (token.kind == ScriptTokenKind::kEnd) break;
    if (token.kind == ScriptTokenKind::kInvalid) {
      tokens.is_whole = false;
      break;
    }
    if (token.kind == ScriptTokenKind::kLine) {
      AddLine(tokens);
    } else {
      tokens.texts.emplace_back(token.text);
    }
  }
  return tokens;
}

// LibTorch's lexer reads one token ahead, so its last one may be lost where the next is none.
Tokens TheirTokens(const std::string& source) {
  Tokens tokens;
  AddLine(tokens);
  try {
    torch::jit::Lexer lexer(std::make_shared<torch::jit::Source>(source, "f.py", 1));
    while (lexer.cur().kind != torch::jit::TK_EOF) {
      switch (lexer.cur().kind) {
        case torch::jit::TK_NEWLINE:
        case torch::jit::TK_INDENT:
        case torch::jit::TK_DEDENT:
          AddLine(tokens);
          break;
        default:
          tokens.texts.push_back(lexer.cur().text());
      }
      lexer.next();
    }
  } catch (const std::exception&) {
    tokens.is_whole = false;
  }
  return tokens;
}

// Whether ours are theirs. LibTorch also ends at a wrong indentation, which ours do not hold against each other.
void ExpectTheSame(const std::string& source) {
  const Tokens ours = OurTokens(source);
  const Tokens theirs = TheirTokens(source);
  if (theirs.is_whole) {
    ASSERT_TRUE(ours.is_whole) << ::testing::PrintToString(source);
    ASSERT_EQ(ours.texts, theirs.texts) << ::testing::PrintToString(source);
    return;
  }
  ASSERT_GE(ours.texts.size() + 1, theirs.texts.size()) << ::testing::PrintToString(source);
  for (size_t i = 0; i < std::min(ours.texts.size(), theirs.texts.size()); ++i) {
    ASSERT_EQ(ours.texts[i], theirs.texts[i]) << ::testing::PrintToString(source) << " token " << i;
  }
}

constexpr const char* kPieces[] = {
    " ",   "  ",       "\n",     "\n  ",   "\t",  "\r\n",     "\f",    "\v",         "\\\n", "\\",   "\\\r\n", "# c",
    "#",   "# type: ", "#type:", "\"",     "'",   "\"\"\"",   "'''",   "\\\"",       "\\'",  "\\\\", "1",      "0",
    "3.",  ".5",       "1.e5",   "1e",     "1e+", "e5",       "E-3",   "0x",         "0x1f", "0x.8", "0x1.",   "p2",
    "0b1", "2j",       "j",      "1_0",    "inf", "nan",      "torch", "torch.save", "ops",  ".",    "..",     "...",
    "is",  "is not",   "not",    "not in", "in",  "isnot",    "if",    "else",       "x",    "_",    "(",      ")",
    "[",   "]",        "{",      "}",      ":",   ",",        "=",     "==",         "!=",   "!",    "<",      "<=",
    "<=>", "<<",       "<<=",    ">",      ">>=", "-",        "->",    "-=",         "*",    "**",   "**=",    "/",
    "//",  "//=",      "%",      "%=",     "&",   "&=",       "|",     "|=",         "^",    "^=",   "~",      "@",
    "@=",  "?",        "$",      ";",      "`",   "\xc3\xa9", "\x01",  "\x7f"};

TEST(ScriptLexerAgainstLibTorchTest, SpellingsThatHideCode) {
  for (const char* source : {
           "pi = 3.\ntorch.save(x, 'f')",
           "a = '''\"''' + torch.save(x, 'f')",
           "a = ''' ' '''; b",
           "a = \"\"\"x\n\"\"\"\ntorch.save(x)",
           "x not intorch.save(x)",
           "x is nottorch.save(x)",
           "1e5torch.save",
           "0x1torch.save",
           "1jtorch.save",
           "x = 1 # type: torch.save(x)",
           "x = 1 #type: torch.save(x)",
           "x = 'a\\\nb' + torch",
           "x = 'a\\'b' + torch",
           "x = \\\n  torch\\\n.save",
           "x = (\n# comment '\n torch)",
           "x = ''\n''''''\n''",
           "",
           "\n\n",
           "   ",
           ")\n(\n)\nx\n",
       }) {
    ExpectTheSame(source);
  }
  ExpectTheSame(std::string("a\0b", 3));
  ExpectTheSame(std::string("# a\0b\nc 'd\0e' 1\0", 16));
}

TEST(ScriptLexerAgainstLibTorchTest, EveryPairOfPieces) {
  for (const char* first : kPieces) {
    for (const char* second : kPieces) {
      ExpectTheSame(std::string(first) + second);
      ExpectTheSame("x = " + std::string(first) + second + " y\n");
    }
  }
}

TEST(ScriptLexerAgainstLibTorchTest, RandomSources) {
  std::mt19937 random(20260101);  // the same sources each time
  std::uniform_int_distribution<size_t> piece(0, std::size(kPieces) - 1);
  std::uniform_int_distribution<int> byte(0, 255);
  std::uniform_int_distribution<int> length(1, 30);
  for (int i = 0; i < 100'000; ++i) {
    std::string source;
    for (int left = length(random); left > 0; --left) {
      if (byte(random) < 8) {
        source += static_cast<char>(byte(random));
      } else {
        source += kPieces[piece(random)];
      }
    }
    ExpectTheSame(source);
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace torchferry::libtorch
