#include "server/plan/raw_strings.h"

#include <gtest/gtest.h>

namespace torchferry::plan {
namespace {

TEST(RawStringsTest, TheLetterGoesAndTheLineStays) {
  EXPECT_EQ(WithoutStringPrefixes("    r\"\"\"a\n  b\"\"\"\n    x = u'c'\n"),
            "    \"\"\"a\n  b\"\"\" \n    x = 'c' \n");
  EXPECT_EQ(WithoutStringPrefixes("R''"), "'' ");
  EXPECT_EQ(WithoutStringPrefixes("f(r\"a\", r\"b\")"), "f(\"a\" , \"b\" )");
}

TEST(RawStringsTest, WhatIsNoPrefixOrMeansSomethingStays) {
  for (const char* source : {"r\"\\d\"", "f\"{x}\"", "rb\"a\"", "bar\"a\"", "# r\"a\"\n", "x = \"r'a'\"", "'don\\'t r'",
                             "\"\"\"r'a' \"\"\"", "r", "\"", "'\\", "\"\"\"", "r\"\\"}) {
    EXPECT_EQ(WithoutStringPrefixes(source), source);
  }
}

}  // namespace
}  // namespace torchferry::plan
