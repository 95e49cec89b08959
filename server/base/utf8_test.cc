#include "server/base/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace torchferry::base {
namespace {

TEST(Utf8Test, CharactersOfAnyLengthAreUtf8) {
  for (const std::string text : {"", "plain", "é", "漢字", "𝄞", "\x7f", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_TRUE(IsUtf8(text)) << text;
    EXPECT_EQ(ToUtf8(text), text);
  }
  EXPECT_TRUE(IsUtf8(std::string(1, '\0')));
}

TEST(Utf8Test, WhatIsNoCharacterIsWrittenOut) {
  const struct {
    std::string text;
    std::string valid;
  } kCases[] = {{"caf\xe9", "caf\\xe9"},                       // Latin-1
                {"\xff\xfe", "\\xff\\xfe"},                    // no lead byte at all
                {"\xc0\xaf", "\\xc0\\xaf"},                    // too long a form of "/"
                {"\xed\xa0\x80", "\\xed\\xa0\\x80"},           // half of a surrogate pair
                {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},  // beyond the last character
                {"é\xc3", "é\\xc3"},                           // cut in two
                {"\x80x", "\\x80x"}};
  for (const auto& [text, valid] : kCases) {
    EXPECT_FALSE(IsUtf8(text)) << valid;
    EXPECT_EQ(ToUtf8(text), valid);
    EXPECT_TRUE(IsUtf8(ToUtf8(text)));
  }
}

TEST(Utf8Test, ACutEndsBetweenCharacters) {
  EXPECT_EQ(CutUtf8("abc", 3), "abc");
  EXPECT_EQ(CutUtf8("abcd", 3), "abc");
  EXPECT_EQ(CutUtf8("aéb", 2), "a");
  EXPECT_EQ(CutUtf8("aéb", 3), "aé");
  EXPECT_EQ(CutUtf8("漢字", 5), "漢");
  for (const size_t max : {1, 2, 3}) EXPECT_EQ(CutUtf8("𝄞", max), "");
  EXPECT_EQ(CutUtf8("𝄞", 4), "𝄞");
  EXPECT_EQ(CutUtf8("", 0), "");
}

TEST(Utf8Test, ACutOfOtherBytesKeepsThemAll) {
  const std::string text(8, '\x80');
  EXPECT_EQ(CutUtf8(text, 6), std::string(6, '\x80'));
}

TEST(Utf8Test, AnExcerptSaysThatThereIsMore) {
  EXPECT_EQ(Excerpt("short", 5), "short");
  EXPECT_EQ(Excerpt("é\xff", 3), "é\\xff");
  EXPECT_EQ(Excerpt("aéb", 2), "a…");
}

}  // namespace
}  // namespace torchferry::base
