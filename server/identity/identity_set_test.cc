#include "server/identity/identity_set.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace torchferry::identity {
namespace {

const char kFile[] =
    "identity alice\nroles predict\nmodels *\n"
    "token sha256:52f0a3d84a8cbf4dd03ba06bdf66d6a1f7ee9ed4bbb4ba8a1b4b03cee2b4ab4b\n"
    "certificate dns:alice.example uri:spiffe://example/alice\n";

WallTime At(const char* text) { return *ParseWallTime(text); }

class IdentitySetTest : public testing::Test {
 protected:
  static IdentitySet Make(const std::string& text) { return IdentitySet(*ParseIdentities(text, "people")); }

  static Recognition By(const IdentitySet& set, const std::vector<std::string_view>& authorization,
                        const std::vector<CertificateName>& certificate = {}, const char* now = "2026-06-01") {
    return set.Recognise({.authorization = authorization, .certificate = certificate}, At(now));
  }
};

TEST_F(IdentitySetTest, ATokenIsRecognisedByItsDigest) {
  // printf %s secret | sha256sum
  const IdentitySet set = Make(
      "identity alice\nroles predict\nmodels *\n"
      "token sha256:2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b expires 2027-01-01\n"
      "identity bob\nroles read\nmodels *\n"
      "token sha256:fcf730b6d95236ecd3c9fc2d92d7b6b2bb061514961aec041d6c7a7192f592e4\n");
  EXPECT_EQ(set.size(), 2u);
  const Recognition alice = By(set, {"Bearer secret"});
  EXPECT_EQ(alice.finding, Finding::kKnown);
  EXPECT_EQ(alice.identity->name, "alice");
  EXPECT_EQ(By(set, {"bEARER secret"}).finding, Finding::kKnown);
  EXPECT_EQ(By(set, {"Bearer secret123"}).identity->name, "bob");
  EXPECT_EQ(By(set, {"Bearer secret"}, {}, "2026-12-31").finding, Finding::kKnown);
  EXPECT_EQ(By(set, {"Bearer secret"}, {}, "2027-01-01").finding, Finding::kExpired);
  EXPECT_EQ(By(set, {}).finding, Finding::kNobody);
  for (const char* wrong : {"Bearer secre", "Bearer  secret", "Bearer secret ", "secret", "Basic secret", "Bearer", "",
                            "Bearer ", "Bearersecret"}) {
    EXPECT_EQ(By(set, {wrong}).finding, Finding::kUnknown) << wrong;
    EXPECT_EQ(By(set, {wrong}).identity, nullptr) << wrong;
  }
  EXPECT_EQ(By(set, {"Bearer secret", "Bearer secret"}).finding, Finding::kUnknown);
  EXPECT_EQ(By(set, {std::string("Bearer ") + std::string(5000, 'x')}).finding, Finding::kUnknown);
}

TEST_F(IdentitySetTest, ACertificateIsRecognisedByItsNamesAndATokenGoesBeforeIt) {
  const IdentitySet set = Make(kFile);
  EXPECT_EQ(By(set, {}, {"dns:alice.example"}).finding, Finding::kKnown);
  EXPECT_EQ(By(set, {}, {"dns:other.example", "uri:spiffe://example/alice"}).identity->name, "alice");
  EXPECT_EQ(By(set, {}, {"cn:alice.example"}).finding, Finding::kUnknown);
  EXPECT_EQ(By(set, {}, {"dns:www.alice.example"}).finding, Finding::kUnknown);
  EXPECT_EQ(By(set, {"Bearer wrong"}, {"dns:alice.example"}).finding, Finding::kUnknown);
}

TEST_F(IdentitySetTest, ASetWithoutIdentitiesKnowsNobody) {
  const IdentitySet set = Make("");
  EXPECT_EQ(By(set, {"Bearer secret"}).finding, Finding::kUnknown);
  EXPECT_EQ(By(set, {}, {"dns:alice.example"}).finding, Finding::kUnknown);
  EXPECT_EQ(By(set, {}).finding, Finding::kNobody);
}

}  // namespace
}  // namespace torchferry::identity
