#include "server/identity/identity_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "server/base/status.h"
#include "server/identity/limits.h"

namespace torchferry::identity {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

const std::string kOne(64, '1');
const std::string kTwo(64, 'a');

std::string Alice(const std::string& more = "") {
  return "identity alice\n  roles predict\n  models *\n  token sha256:" + kOne + "\n" + more;
}

std::string ErrorOf(const std::string& text) {
  const auto parsed = ParseIdentities(text, "people");
  if (parsed.ok()) return "";
  EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument);
  return base::MessageOf(parsed.status());
}

TEST(ParseIdentitiesTest, EachIdentityHasItsLines) {
  const auto parsed = ParseIdentities(
      "# who may ask\r\n\r\nidentity alice\r\n\troles predict read\r\n  models bert-* mlp\n  models crepe\n  token "
      "sha256:" +
          kOne + "\n  token\tsha256:" + kTwo + "  expires 2027-01-31T12:00:00Z\n#identity mallory\n" +
          "identity bob@example.com\nroles admin\nmodels *\ncertificate dns:Bob.Example uri:spiffe://example/bob\n"
          "certificate cn:bob",
      "people");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  ASSERT_EQ(parsed->size(), 2u);
  const IdentityEntry& alice = parsed->front();
  EXPECT_EQ(alice.identity.name, "alice");
  EXPECT_EQ(alice.identity.roles, (Roles{Role::kPredict, Role::kRead}));
  EXPECT_EQ(alice.identity.models, (std::vector<std::string>{"bert-*", "mlp", "crepe"}));
  ASSERT_EQ(alice.tokens.size(), 2u);
  EXPECT_FALSE(alice.tokens[0].expires.has_value());
  EXPECT_EQ(alice.tokens[1].expires, ParseWallTime("2027-01-31T12:00:00Z"));
  EXPECT_EQ(parsed->back().certificates,
            (std::vector<CertificateName>{"dns:bob.example", "uri:spiffe://example/bob", "cn:bob"}));
}

TEST(ParseIdentitiesTest, AFileMayBeEmpty) {
  for (const char* text : {"", "\n", "# nobody\n", "   "}) {
    const auto parsed = ParseIdentities(text, "people");
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_TRUE(parsed->empty());
  }
}

TEST(ParseIdentitiesTest, AnErrorSaysWhereAndWhatAndWhatIsExpected) {
  struct Case {
    std::string text;
    std::string error;  // its beginning
  };
  const std::vector<Case> cases = {
      {"user alice", "people:1:1: \"user\" begins no line; expected identity, roles, models, token or certificate"},
      {"roles predict", "people:1:1: roles stands before the first identity"},
      {"identity", "people:1:1: identity is followed by 0 words; expected its name"},
      {"identity a b", "people:1:1: identity is followed by 2 words"},
      {"identity al\x01ice", "people:1:10: the name \"al\\u0001ice\" is not one; expected up to 128"},
      {"identity " + std::string(129, 'a'), "people:1:10: the name \"aaa"},
      {Alice() + Alice(), "people:5:10: identity alice is there twice"},
      {"identity a\nmodels *\ntoken sha256:" + kOne, "people:1:1: identity a has no roles; expected a line: roles"},
      {"identity a\nroles read\ntoken sha256:" + kOne, "people:1:1: identity a has no models"},
      {"\n  identity a\nroles read\nmodels *", "people:2:3: identity a has no token"},
      {"identity a\nidentity b", "people:1:1: identity a has no roles"},
      {"identity a\n  roles write", "people:2:9: \"write\" is no role; expected one or more of predict, read and"},
      {"identity a\n  roles", "people:2:3: roles says nothing; expected one or more of"},
      {"identity a\n  models " + std::string(257, 'm'), "people:2:10: the name has 257 bytes; expected at most 256"},
      {"identity a\n token " + kOne, "people:2:8: this is no digest of a token; expected sha256:"},
      {"identity a\n token sha256:" + kOne + "0", "people:2:8: this is no digest"},
      {"identity a\n token sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
       "people:2:8: this is the digest of no bytes at all"},
      {Alice("token sha256:" + kOne), "people:5:7: this token is there twice"},
      {Alice("identity b\ntoken sha256:" + kOne), "people:6:7: this token is there twice"},
      {Alice("token sha256:" + kTwo + " until 2027-01-31"), "people:5:79: \"until\" follows the digest"},
      {Alice("token sha256:" + kTwo + " expires"), "people:5:79: \"expires\" follows the digest"},
      {Alice("token sha256:" + kTwo + " expires 2027-02-29"), "people:5:87: \"2027-02-29\" is no time; expected"},
      {Alice("certificate alice"), "people:5:13: \"alice\" is no name of a certificate; expected dns:NAME"},
      {Alice("certificate dns:"), "people:5:13: \"dns:\" is no name of a certificate"},
      {Alice("certificate ip:10.0.0.1"), "people:5:13: \"ip:10.0.0.1\" is no name of a certificate"},
      {Alice("certificate dns:*.example"), "people:5:13: \"dns:*.example\" has a *; expected the whole name"},
      {Alice("certificate dns:a dns:A"), "people:5:19: \"dns:A\" is there twice"},
  };
  for (const Case& c : cases) EXPECT_THAT(ErrorOf(c.text), StartsWith(c.error)) << c.text;
}

TEST(ParseIdentitiesTest, ATokenThatStandsThereIsNotShown) {
  EXPECT_THAT(ErrorOf("identity a\n token s3cr3t-of-alice"), Not(HasSubstr("s3cr3t")));
}

TEST(ParseIdentitiesTest, EachNumberHasALimit) {
  EXPECT_THAT(ErrorOf(std::string(limits::kMaxFileBytes + 1, '\n')), HasSubstr("has 1048577 bytes; expected at most"));
  std::string models = "identity a\nmodels";
  for (size_t i = 0; i <= limits::kMaxModels; ++i) models += " m";
  EXPECT_THAT(ErrorOf(models), HasSubstr("has more names of models than 256"));
  std::string identities;
  std::string tokens = "identity a\nroles read\nmodels *\n";
  for (size_t i = 0; i <= limits::kMaxTokens; ++i) {
    const std::string token = fmt::format("token sha256:{:064x}\n", i);
    tokens += token;
    if (i <= limits::kMaxIdentities) identities += fmt::format("identity a{}\nroles read\nmodels *\n{}", i, token);
  }
  EXPECT_THAT(ErrorOf(tokens), HasSubstr("more tokens than 4096"));
  EXPECT_THAT(ErrorOf(identities), HasSubstr("more identities than 1024"));
}

TEST(ParseWallTimeTest, TimesAreOfUtc) {
  using std::chrono::hours;
  const auto day = ParseWallTime("2027-01-31");
  ASSERT_TRUE(day.has_value());
  EXPECT_EQ(day->time_since_epoch().count(), 1801353600);
  EXPECT_EQ(ParseWallTime("2027-01-31T12:00:00Z"), *day + hours(12));
  for (const char* text :
       {"", "2027", "2027-1-31", "2027-13-01", "2027-00-10", "2027-02-30", "2027-01-31T24:00:00Z",
        "2027-01-31T12:60:00Z", "2027-01-31T12:00:60Z", "2027-01-31T12:00:00", "2027-01-31 12:00:00Z",
        "2027-01-31T12:00:00+01", "+027-01-31", "2027-01-3x", "2027-01-31T-1:00:00Z", "tomorrow"}) {
    EXPECT_FALSE(ParseWallTime(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace torchferry::identity
