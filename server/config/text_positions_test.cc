#include "server/config/text_positions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace torchferry::config {

void PrintTo(const TextPosition& at, std::ostream* out) { *out << at.line << ":" << at.column; }

namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(TextPositionsTest, PlacesScalarsAtTheirValueAndMessagesAtTheirName) {
  const TextPositions top = TextPositions::Scan("name: 'x'\nversion_policy {\n  latest: { num_versions: 2 }\n}");
  EXPECT_EQ(top.Of("name"), (TextPosition{1, 7}));
  EXPECT_EQ(top.Of("version_policy"), (TextPosition{2, 1}));
  EXPECT_EQ(top.In("version_policy").In("latest").Of("num_versions"), (TextPosition{3, 27}));
}

TEST(TextPositionsTest, PlacesEachElementOfABracketedList) {
  const TextPositions top =
      TextPositions::Scan("input [\n  { name: 'a' dims: [ 3,\n -1 ] },\n  {}\n]\ninput <dims: 5>");
  EXPECT_EQ(top.Of("input", 0), (TextPosition{2, 3}));
  EXPECT_EQ(top.In("input", 0).Of("dims", 0), (TextPosition{2, 23}));
  EXPECT_EQ(top.In("input", 0).Of("dims", 1), (TextPosition{3, 2}));
  EXPECT_EQ(top.Of("input", 1), (TextPosition{4, 3}));
  EXPECT_EQ(top.Of("input", 2), (TextPosition{6, 1}));
  EXPECT_EQ(top.In("input", 2).Of("dims"), (TextPosition{6, 14}));
}

TEST(TextPositionsTest, PlacesWhatIsNotWrittenAtItsMessage) {
  const TextPositions top = TextPositions::Scan("\n  output { name: 'a' }");
  EXPECT_EQ(top.Of("input"), (TextPosition{1, 1}));
  EXPECT_EQ(top.In("output").Of("dims", 3), (TextPosition{2, 3}));
  EXPECT_EQ(top.Of("output", 1), (TextPosition{1, 1}));
}

TEST(TextPositionsTest, SkipsCommentsSeparatorsAndJoinedStrings) {
  const TextPositions top = TextPositions::Scan("# input: 3\nname: 'a'  # one\n  'b'; backend: \"c\", platform: 'd'");
  EXPECT_EQ(top.Of("name"), (TextPosition{2, 7}));
  EXPECT_EQ(top.Of("backend"), (TextPosition{3, 17}));
  EXPECT_EQ(top.Of("platform"), (TextPosition{3, 32}));
}

TEST(TextPositionsTest, FindsThePathToAPosition) {
  const TextPositions top = TextPositions::Scan("input [ {}, { data_type: TYPE_X } ]");
  EXPECT_THAT(top.PathTo({1, 26}), ElementsAre("input", "data_type"));
  EXPECT_THAT(top.PathTo({1, 9}), ElementsAre("input"));
  EXPECT_THAT(top.PathTo({1, 27}), IsEmpty());
}

TEST(TextPositionsTest, ReadsUpToWhatIsNotWellFormed) {
  const TextPositions top = TextPositions::Scan("name: 'a' input { dims: [ 1, } output {");
  EXPECT_EQ(top.Of("name"), (TextPosition{1, 7}));
  EXPECT_EQ(top.In("input").Of("dims"), (TextPosition{1, 27}));
  EXPECT_EQ(top.Of("output"), (TextPosition{1, 1}));
}

TEST(TextPositionsTest, EndlessNestingEnds) {
  const std::string open(1 << 20, '{');
  TextPositions::Scan("a" + open);
  std::string nested;
  for (int i = 0; i < 100000; ++i) nested += "a[{";
  TextPositions::Scan(nested);
}

TEST(TokenBeforeTest, IsTheTokenThatEndsBeforeThePosition) {
  const std::string_view text = "name: 'a'  # b\n  dims: 1";
  EXPECT_EQ(TokenBefore(text, {2, 3}), (TextPosition{1, 7}));
  EXPECT_EQ(TokenBefore(text, {2, 7}), (TextPosition{2, 3}));
  EXPECT_EQ(TokenBefore(text, {1, 1}), (TextPosition{1, 1}));
  EXPECT_EQ(TokenBefore("", {1, 1}), (TextPosition{1, 1}));
}

}  // namespace
}  // namespace torchferry::config
