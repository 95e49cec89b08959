#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "server/config/model_config.h"

namespace torchferry::config {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

VersionPolicy Latest(int64_t count) { return {VersionPolicy::Kind::kLatest, count, {}}; }
VersionPolicy Specific(std::vector<int64_t> versions) {
  return {VersionPolicy::Kind::kSpecific, 1, std::move(versions)};
}

TEST(SelectVersionsTest, WithoutAPolicyTakesTheHighestNumber) {
  EXPECT_THAT(SelectVersions(VersionPolicy{}, {2, 10, 9}), ElementsAre(10));
}

TEST(SelectVersionsTest, LatestTakesTheHighestNumbersNewestFirst) {
  EXPECT_THAT(SelectVersions(Latest(2), {1, 100, 7}), ElementsAre(100, 7));
  EXPECT_THAT(SelectVersions(Latest(5), {1, 7}), ElementsAre(7, 1));
  EXPECT_THAT(SelectVersions(Latest(0), {1, 7}), IsEmpty());
}

TEST(SelectVersionsTest, AllTakesEachOnce) {
  const VersionPolicy all{VersionPolicy::Kind::kAll, 1, {}};
  EXPECT_THAT(SelectVersions(all, {3, 1, 3, 2}), ElementsAre(3, 2, 1));
}

TEST(SelectVersionsTest, SpecificTakesThoseThatAreThere) {
  EXPECT_THAT(SelectVersions(Specific({1, 3, 3, 8}), {3, 2, 1}), ElementsAre(3, 1));
  EXPECT_THAT(SelectVersions(Specific({8}), {3, 2, 1}), IsEmpty());
}

TEST(SelectVersionsTest, OfNoneTakesNone) {
  EXPECT_THAT(SelectVersions(Latest(3), {}), IsEmpty());
  EXPECT_THAT(SelectVersions(Specific({1}), {}), IsEmpty());
}

}  // namespace
}  // namespace torchferry::config
