#include "server/base/list_text.h"

#include <gtest/gtest.h>

#include <map>
#include <vector>

namespace torchferry::base {
namespace {

TEST(ListTextTest, SeparatesByCommas) {
  EXPECT_EQ(ListText(std::vector<std::string>{}), "");
  EXPECT_EQ(ListText(std::vector<std::string>{"a"}), "a");
  EXPECT_EQ(ListText(std::vector<std::string>{"a", "", "c"}), "a, , c");
}

TEST(ListTextTest, SaysHowManyAreLeftOut) {
  const std::vector<std::string> names = {"a", "b", "c"};
  EXPECT_EQ(ListText(names, std::identity(), 3), "a, b, c");
  EXPECT_EQ(ListText(names, std::identity(), 2), "a, b and 1 more");
}

TEST(ListTextTest, ItemsAreAsTheCallerPutsThem) {
  EXPECT_EQ(ListText(std::vector<std::string>{"x", "y"}, InQuotes), "\"x\", \"y\"");
  const std::map<int, bool> versions = {{1, true}, {2, false}, {3, true}};
  EXPECT_EQ(ListText(
                versions, [](const auto& version) { return std::to_string(version.first); }, 1),
            "1 and 2 more");
}

}  // namespace
}  // namespace torchferry::base
