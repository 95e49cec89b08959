#include "server/app/admin_reach.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace torchferry::app {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(AdminReachTest, LoopbackAndUnixSocketsAreOfThisHostAlone) {
  struct Case {
    std::string address;
    bool is_of_this_host;
  };
  const std::vector<Case> cases = {
      {"127.0.0.1:8001", true},
      {"127.8.9.10:0", true},
      {"localhost:8001", true},
      {"[::1]:8001", true},
      {"unix:/run/a.sock", true},
      {"[::ffff:127.0.0.1]:1", true},
      {"0.0.0.0:8001", false},
      {"[::]:8001", false},
      {"192.0.2.7:8001", false},
      {"[2001:db8::1]:8001", false},
      {"host.example:1", false},
      {"localhost.example:1", false},
      {"127.0.0.1.example:1", false},
      {"[::ffff:10.0.0.1]:1", false},
      {"127.1:80", false},
      {"", false},
      {":8001", false},
  };
  for (const Case& c : cases) EXPECT_EQ(IsOfThisHostAlone(c.address), c.is_of_this_host) << c.address;
}

TEST(AdminReachTest, AdminIsNeverOpenByAccident) {
  ServerFlags flags;
  flags.grpc_address = "0.0.0.0:8001";
  EXPECT_THAT(WhyAdminIsOpen(flags), IsEmpty());  // there is none
  flags.enable_admin = true;
  EXPECT_THAT(WhyAdminIsOpen(flags), AllOf(HasSubstr("0.0.0.0:8001 (--grpc-address)"), HasSubstr("--identities FILE"),
                                           HasSubstr("--insecure-admin")));
  flags.admin_address = "127.0.0.1:8003";
  EXPECT_THAT(WhyAdminIsOpen(flags), IsEmpty());
  flags.admin_address = "10.0.0.1:8003";
  flags.grpc_address = "127.0.0.1:8001";
  EXPECT_THAT(WhyAdminIsOpen(flags), HasSubstr("10.0.0.1:8003 (--admin-address)"));
  flags.insecure_admin = true;
  EXPECT_THAT(WhyAdminIsOpen(flags), IsEmpty());
  flags.insecure_admin = false;
  flags.identities = "people.txt";
  EXPECT_THAT(WhyAdminIsOpen(flags), IsEmpty());
}

}  // namespace
}  // namespace torchferry::app
