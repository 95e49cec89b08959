#include "client/commands/model_ref.h"

#include <gtest/gtest.h>

namespace torchferry::client {
namespace {

TEST(ModelRefTest, ReadsNameAndVersion) {
  EXPECT_EQ(ParseModelRef("crepe_tiny")->name, "crepe_tiny");
  EXPECT_EQ(ParseModelRef("crepe_tiny")->version, 0);
  EXPECT_EQ(ParseModelRef("crepe_tiny:12")->name, "crepe_tiny");
  EXPECT_EQ(ParseModelRef("crepe_tiny:12")->version, 12);
}

TEST(ModelRefTest, RefusesWhatIsNoVersion) {
  for (const char* text : {"", ":1", "a:", "a:one", "a:0", "a:-1", "a:1.0", "a:1 ", "a:99999999999999999999"}) {
    EXPECT_EQ(ParseModelRef(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

}  // namespace
}  // namespace torchferry::client
