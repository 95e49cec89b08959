#include "server/plan/script_lexer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace torchferry::plan {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Texts of the tokens; a line's end is its indentation in angle brackets, an invalid token is "?".
std::vector<std::string> TokensOf(std::string_view source) {
  ScriptLexer lexer(source);
  std::vector<std::string> texts;
  while (true) {
    const ScriptToken token = lexer.Next();
    if (token.kind == ScriptTokenKind::kEnd) return texts;
    if (token.kind == ScriptTokenKind::kInvalid) {
      texts.emplace_back("?");
      return texts;
    }
    texts.push_back(token.kind == ScriptTokenKind::kLine ? "<" + std::to_string(token.indent) + ">"
                                                         : std::string(token.text));
  }
}

TEST(ScriptLexerTest, LinesAndIndentation) {
  EXPECT_THAT(TokensOf(""), ElementsAre("<0>"));
  EXPECT_THAT(TokensOf("  a\n\n   # comment\n\t b\n"), ElementsAre("<2>", "a", "<2>", "b", "<0>"));
  EXPECT_THAT(TokensOf("f(a,\n  b)\nc"), ElementsAre("<0>", "f", "(", "a", ",", "b", ")", "<0>", "c"));
  EXPECT_THAT(TokensOf("a \\\n + b"), ElementsAre("<0>", "a", "+", "b"));
  EXPECT_THAT(TokensOf("a \\ \n"), ElementsAre("<0>", "a", "?"));
}

TEST(ScriptLexerTest, NumbersEndWhereStrtodDoes) {
  EXPECT_THAT(TokensOf("1.e5 .5 1e 0x1f.8p2 0x 1.torch 2j 1..x"),
              ElementsAre("<0>", "1.e5", ".5", "1", "e", "0x1f.8p2", "0", "x", "1.", "torch", "2j", "1.", ".", "x"));
}

TEST(ScriptLexerTest, StringsOfOneAndOfThreeQuotes) {
  EXPECT_THAT(TokensOf("'a\\'b' \"\" '''x\n'y''' ''"), ElementsAre("<0>", "'a\\'b'", "\"\"", "'''x\n'y'''", "''"));
  EXPECT_THAT(TokensOf("'a\nb'"), ElementsAre("<0>", "?"));
  EXPECT_THAT(TokensOf("'''a"), ElementsAre("<0>", "?"));
}

TEST(ScriptLexerTest, TwoWordKeywordsTakeTheirLettersFromWhatFollows) {
  EXPECT_THAT(TokensOf("a is nottorch not intorch isnot"),
              ElementsAre("<0>", "a", "is not", "torch", "not in", "torch", "isnot"));
}

TEST(ScriptLexerTest, OnlyTypeCommentsAreCode) {
  EXPECT_THAT(TokensOf("a # type: b\n#type: c"), ElementsAre("<0>", "a", "# type:", "b", "<0>"));
}

TEST(ScriptLexerTest, LinesAreThoseWhereTokensStart) {
  ScriptLexer lexer("a\n'''\n\n''' b");
  std::vector<size_t> lines;
  for (ScriptToken token = lexer.Next(); token.kind != ScriptTokenKind::kEnd; token = lexer.Next()) {
    lines.push_back(token.line);
  }
  EXPECT_THAT(lines, ElementsAre(1, 1, 2, 2, 4));
}

TEST(ScriptLexerTest, WhatTheLanguageHasNoTokenForEndsTheTokens) {
  for (const std::string& source : {std::string("$"), std::string("\xc3\xa9"), std::string(1, '\0'), std::string(";"),
                                    std::string("`"), std::string("\\x")}) {
    EXPECT_THAT(TokensOf(source + " a"), ElementsAre("<0>", "?")) << source;
  }
}

TEST(ScriptLexerTest, ReadsLongSourcesInOnePass) {
  for (const char* const piece : {"\n", "# a\n", "\\\n", "(", "'", "\"\"\"", "1", "a", ".", "# type:", "is not"}) {
    std::string source = "a";
    while (source.size() < 10'000'000) source += piece;
    ScriptLexer lexer(source);
    ScriptToken token = lexer.Next();
    while (token.kind != ScriptTokenKind::kEnd && token.kind != ScriptTokenKind::kInvalid) token = lexer.Next();
    EXPECT_THAT(token.text, IsEmpty());
  }
}

}  // namespace
}  // namespace torchferry::plan
