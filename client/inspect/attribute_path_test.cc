#include "client/inspect/attribute_path.h"

#include <gtest/gtest.h>

namespace torchferry::client {
namespace {

TEST(AttributePathTest, NumbersAreIndicesAndOddNamesGetattr) {
  EXPECT_EQ(AttributePath("fc.weight"), "self.fc.weight");
  EXPECT_EQ(AttributePath("layers.0.fc.weight"), "self.layers[0].fc.weight");
  EXPECT_EQ(AttributePath("a-b.weight"), "getattr(self, \"a-b\").weight");
  EXPECT_EQ(AttributePath("0.weight"), "self[0].weight");
}

}  // namespace
}  // namespace torchferry::client
