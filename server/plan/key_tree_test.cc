#include "server/plan/key_tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/base/status.h"

namespace torchferry::plan {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

absl::Status Check(const std::vector<std::string>& names) { return CheckKeyTree(names); }

TEST(KeyTreeTest, NamesOfModulesAndTensorsAreKeptApart) {
  EXPECT_TRUE(Check({"a", "b.c", "b.d.e", "", "ab.c"}).ok());
  EXPECT_THAT(base::MessageOf(Check({"fc.weight", "fc"})), AllOf(HasSubstr("\"fc\""), HasSubstr("\"fc.weight\"")));
  for (const std::string name : {"a..b", ".a", "a.", "."}) {
    EXPECT_THAT(base::MessageOf(Check({name})), HasSubstr("empty part")) << name;
  }
}

}  // namespace
}  // namespace torchferry::plan
