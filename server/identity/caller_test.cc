#include "server/identity/caller.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace torchferry::identity {
namespace {

TEST(MatchesGlobTest, StarsAndQuestionMarksStandForText) {
  struct Case {
    std::string glob;
    std::string name;
    bool matches;
  };
  const std::vector<Case> cases = {
      {"*", "", true},          {"*", "anything", true},  {"", "", true},          {"", "a", false},
      {"mlp", "mlp", true},     {"mlp", "mlp2", false},   {"mlp", "ml", false},    {"mlp*", "mlp", true},
      {"mlp*", "mlp-2", true},  {"*mlp", "my-mlp", true}, {"*mlp", "mlps", false}, {"a*c*e", "abcde", true},
      {"a*c*e", "abde", false}, {"a?c", "abc", true},     {"a?c", "ac", false},    {"?", "", false},
      {"**", "x", true},        {"a*a", "a", false},      {"a*a", "aa", true},     {"*ab", "aab", true},
      {"[ab]", "a", false},     {"a.c", "abc", false},    {"MLP", "mlp", false},   {"a*", std::string("a\0b", 3), true},
  };
  for (const Case& c : cases) EXPECT_EQ(MatchesGlob(c.glob, c.name), c.matches) << c.glob << " " << c.name;
}

TEST(MatchesGlobTest, ManyStarsTakeNoMoreThanTheProductOfTheLengths) {
  std::string glob;
  for (int i = 0; i < 500; ++i) glob += "*a";
  EXPECT_FALSE(MatchesGlob(glob + "b", std::string(100'000, 'a')));
}

TEST(PeerGroupTest, IsTheHostOfAnAddressAndTheNetworkOfIpv6) {
  struct Case {
    std::string peer;
    std::string group;
  };
  const std::vector<Case> cases = {
      {"ipv4:192.0.2.7:4711", "192.0.2.7"},
      {"ipv6:[::1]:4711", "::1"},
      {"ipv6:%5B::1%5D:4711", "::1"},
      {"ipv6:%5B2001:db8:1:2:3:4:5:6%5D:80", "2001:db8:1:2::/64"},
      {"ipv6:[fe80::1%25eth0]:80", "fe80::/64"},
      {"ipv6:[::ffff:192.0.2.7]:80", "192.0.2.7"},
      {"unix:/run/torchferry.sock", "local"},
      {"unix:", "local"},
      {"ipv4:", "local"},
      {"", "local"},
  };
  for (const Case& c : cases) EXPECT_EQ(PeerGroup(c.peer), c.group) << c.peer;
}

TEST(CallerTest, WithoutIdentitiesEverybodyMayAskEverything) {
  const Caller caller = Caller::Unrestricted("ipv4:192.0.2.7:4711");
  EXPECT_EQ(caller.name(), "");
  EXPECT_EQ(caller.Client(), "host 192.0.2.7");
  EXPECT_TRUE(caller.MaySee("mlp"));
  EXPECT_TRUE(caller.CheckModel("mlp").ok());
  EXPECT_TRUE(caller.MayDo({Role::kAdmin}));
}

TEST(CallerTest, NobodySeesNothing) {
  const Caller caller = Caller::Nobody("ipv4:192.0.2.7:4711");
  EXPECT_EQ(caller.Client(), "host 192.0.2.7");
  EXPECT_FALSE(caller.MaySee("mlp"));
  EXPECT_FALSE(caller.MayDo({Role::kPredict, Role::kRead, Role::kAdmin}));
}

TEST(CallerTest, AnIdentityHasItsRolesAndItsModels) {
  const Caller caller = Caller::Known(
      "ipv4:192.0.2.7:4711", std::make_shared<const Identity>(Identity{"alice", {Role::kPredict}, {"bert-*", "mlp"}}));
  EXPECT_EQ(caller.Client(), "identity alice");
  EXPECT_TRUE(caller.MaySee("mlp"));
  EXPECT_TRUE(caller.MaySee("bert-large"));
  EXPECT_FALSE(caller.MaySee("resnet18"));
  EXPECT_TRUE(caller.MayDo({Role::kPredict, Role::kRead}));
  EXPECT_FALSE(caller.MayDo({Role::kRead}));
  const absl::Status refused = caller.CheckModel("resnet18");
  EXPECT_EQ(refused.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(refused.message(),
            "the identity \"alice\" may not use the model \"resnet18\": ask the operator of the server");
}

}  // namespace
}  // namespace torchferry::identity
