#include "client/rpc/token.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <string>

#include "server/base/status.h"

namespace torchferry::client {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(ReadTokenTest, AFlagGoesBeforeAFileWhoseWhiteSpaceIsNotTheTokens) {
  const std::string path = testing::TempDir() + "token_test_token";
  std::ofstream(path) << "\n  from-file \r\n";
  EXPECT_EQ(*ReadToken("", ""), "");
  EXPECT_EQ(*ReadToken("from-flag", ""), "from-flag");
  EXPECT_EQ(*ReadToken("from-flag", path), "from-flag");
  EXPECT_EQ(*ReadToken("", path), "from-file");
  std::remove(path.c_str());
  EXPECT_THAT(base::MessageOf(ReadToken("", path).status()), HasSubstr("--token-file " + path + ": it cannot be read"));
  EXPECT_THAT(base::MessageOf(ReadToken("", testing::TempDir()).status()), HasSubstr("cannot be read"));
}

TEST(ReadTokenTest, WhatIsNoTokenIsRefusedAndNotShown) {
  for (const std::string& wrong : {std::string("two words"), std::string("t\x01ken"), std::string("tökän"),
                                   std::string("line\nbreak"), std::string(4001, 'x')}) {
    const absl::Status status = ReadToken(wrong, "").status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(base::MessageOf(status), HasSubstr("--token holds no token; expected 1 to 4000"));
    EXPECT_THAT(base::MessageOf(status), Not(HasSubstr(wrong)));
  }
}

TEST(CheckTokenWayTest, ATokenStaysOnThisHostUnlessItIsEncryptedOrAllowed) {
  for (const char* here : {"127.0.0.1:8001", "localhost:8001", "[::1]:8001", "unix:/run/a.sock"}) {
    EXPECT_TRUE(CheckTokenWay(here, false, false).ok()) << here;
  }
  for (const char* there : {"192.0.2.7:8001", "host.example:8001", "localhost.example:8001", "127.0.0.1.example:8001",
                            "[2001:db8::1]:8001"}) {
    EXPECT_EQ(CheckTokenWay(there, false, false).code(), absl::StatusCode::kInvalidArgument) << there;
    EXPECT_TRUE(CheckTokenWay(there, true, false).ok()) << there;
    EXPECT_TRUE(CheckTokenWay(there, false, true).ok()) << there;
  }
}

}  // namespace
}  // namespace torchferry::client
