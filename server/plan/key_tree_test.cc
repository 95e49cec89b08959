#include "server/plan/key_tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/base/status.h"
#include "server/checkpoint/limits.h"

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

TEST(KeyTreeTest, ManyMembersAndManyModulesAreRefused) {
  std::vector<std::string> flat;
  for (size_t i = 0; i < limits::kMaxModuleMembers; ++i) flat.push_back("a.b.w" + std::to_string(i));
  EXPECT_TRUE(Check(flat).ok());
  flat.push_back("a.b.more.w");
  EXPECT_THAT(base::MessageOf(Check(flat)), AllOf(HasSubstr("8192"), HasSubstr("directly below \"a.b.\"")));
  std::vector<std::string> modules;
  for (size_t i = 0; i < limits::kMaxKeyModules; ++i) {
    modules.push_back("g" + std::to_string(i % 100) + ".m" + std::to_string(i) + ".w");
  }
  EXPECT_THAT(base::MessageOf(Check(modules)), HasSubstr("more than 100000 modules"));
  modules.resize(limits::kMaxKeyModules - 100);
  EXPECT_TRUE(Check(modules).ok());
}

TEST(KeyTreeTest, LongNamesTakeOnePass) {
  std::string begin;
  for (size_t i = 1; i < limits::kMaxKeyParts; ++i) begin += std::string(19, 'p') + ".";
  std::vector<std::string> names;
  for (size_t i = 0; i < 8'000; ++i) names.push_back(begin + std::to_string(i));
  EXPECT_TRUE(Check(names).ok());
}

}  // namespace
}  // namespace torchferry::plan
