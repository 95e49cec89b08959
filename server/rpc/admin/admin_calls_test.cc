#include "server/rpc/admin/admin_calls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <string>
#include <vector>

#include "server/base/status.h"

namespace torchferry::rpc {
namespace {

using ::testing::HasSubstr;

void ExpectInvalid(const absl::Status& status, const std::string& text) {
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
  EXPECT_THAT(base::MessageOf(status), HasSubstr(text));
}

TEST(AdminCallsTest, VersionsToLoadAreFewAndDifferentAndPositive) {
  std::vector<int64_t> versions(256);
  std::iota(versions.begin(), versions.end(), 1);
  EXPECT_TRUE(CheckVersionsToLoad(versions).ok());
  EXPECT_TRUE(CheckVersionsToLoad({}).ok());
  versions.push_back(257);
  ExpectInvalid(CheckVersionsToLoad(versions), "model_versions has 257 versions; expected at most 256");
  ExpectInvalid(CheckVersionsToLoad(std::vector<int64_t>(2'000'000, 1)), "has 2000000 versions");
  ExpectInvalid(CheckVersionsToLoad(std::vector<int64_t>{3, 1, 3}), "model_versions has 3 twice; name each once");
  ExpectInvalid(CheckVersionsToLoad(std::vector<int64_t>{1, 0}), "model_versions has 0; a version is a positive");
}

TEST(AdminCallsTest, AModelHasANameOfSomeLength) {
  EXPECT_TRUE(CheckModelName("m").ok());
  ExpectInvalid(CheckModelName(""), "model_name is empty");
  ExpectInvalid(CheckModelName(std::string(1025, 'm')), "model_name has 1025 bytes");
}

}  // namespace
}  // namespace torchferry::rpc
