#include "server/checkpoint/trusted_digests.h"

#include <fmt/format.h>

#include <fstream>

#include "server/checkpoint/limits.h"
#include "server/checkpoint/test_files.h"

namespace torchferry::checkpoint {
namespace {

using ::testing::AllOf;
using testing::Fails;
using ::testing::HasSubstr;

const std::string kOne(64, '1');
const std::string kTwo = "abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789";

absl::StatusOr<TrustedDigests> Parse(const std::string& text) { return TrustedDigests::Parse(text, "list"); }

bool Has(const absl::StatusOr<TrustedDigests>& list, const std::string& hex) { return list->Has(*FromHex(hex)); }

TEST(TrustedDigestsTest, LinesOfSha256sumAreRead) {
  // Text, binary, an escaped name, upper case, Windows' ends of lines, a comment, the same again, no newline at the
  // end.
  const auto list = Parse("# published\n\n" + kOne + "  m/1/model.pt\n" + kTwo + " *weights of b.pt\r\n\\" +
                          std::string(64, 'F') + "  a\\nb\n" + kOne + "  other");
  ASSERT_TRUE(list.ok()) << list.status();
  EXPECT_EQ(list->size(), 3u);
  EXPECT_TRUE(Has(list, kOne));
  EXPECT_TRUE(Has(list, kTwo));
  EXPECT_TRUE(Has(list, std::string(64, 'f')));
  EXPECT_FALSE(Has(list, std::string(64, '2')));
}

TEST(TrustedDigestsTest, AnEmptyListTrustsNothing) {
  const auto list = Parse("");
  ASSERT_TRUE(list.ok());
  EXPECT_THAT(list->Check(*FromHex(kOne), "m/1/a.pt"),
              Fails(absl::StatusCode::kFailedPrecondition, AllOf(HasSubstr("m/1/a.pt: its SHA-256 " + kOne),
                                                                 HasSubstr("the 0 of list"), HasSubstr("sha256sum"))));
}

TEST(TrustedDigestsTest, ALineOfAnotherFormIsNamedByItsNumber) {
  for (const std::string& line :
       {kOne, kOne + " name", kOne + "  ", kOne.substr(1) + "  name", kOne + "\t name", "SHA256 (name) = " + kOne,
        "z" + kOne.substr(1) + "  name", " " + kOne + "  name", std::string("\0", 1)}) {
    EXPECT_THAT(Parse(kTwo + "  good\n" + line + "\n").status(),
                Fails(absl::StatusCode::kInvalidArgument, HasSubstr("list:2: ")))
        << line;
  }
}

TEST(TrustedDigestsTest, AHostileLineIsShownQuotedAndCut) {
  const absl::Status status = Parse("\x1b[31m\xff" + std::string(100'000, 'x')).status();
  EXPECT_EQ(status.message().find('\x1b'), std::string::npos);
  EXPECT_LT(status.message().size(), 400u);
}

TEST(TrustedDigestsTest, TheListIsBounded) {
  std::string lines;
  for (size_t i = 0; i <= limits::kMaxDigests; ++i) lines += fmt::format("{:064x}  n\n", i);
  EXPECT_THAT(Parse(lines).status(), Fails(absl::StatusCode::kInvalidArgument, HasSubstr("list:200001: ")));
  EXPECT_TRUE(Parse(lines.substr(0, lines.size() - 68)).ok());
  const std::string name(limits::kMaxDigestListBytes - 66, 'n');
  EXPECT_TRUE(Parse(kOne + "  " + name).ok());
  EXPECT_THAT(Parse(kOne + "  " + name + "n").status(),
              Fails(absl::StatusCode::kInvalidArgument, HasSubstr("33554433 bytes; expected at most 33554432")));
}

TEST(TrustedDigestsTest, AListIsReadFromItsFile) {
  const std::string path = ::testing::TempDir() + "trusted.sha256";
  std::ofstream(path) << kTwo << "  model.pt\n";
  const auto list = TrustedDigests::Read(path);
  ASSERT_TRUE(list.ok()) << list.status();
  EXPECT_EQ((*list)->name(), "trusted.sha256");
  EXPECT_TRUE((*list)->Has(*FromHex(kTwo)));
  std::ofstream(path, std::ios::app) << "x\n";
  EXPECT_THAT(TrustedDigests::Read(path).status(),
              Fails(absl::StatusCode::kInvalidArgument, HasSubstr("trusted.sha256:2: ")));
  EXPECT_THAT(TrustedDigests::Read(path + ".not").status(),
              Fails(absl::StatusCode::kNotFound, HasSubstr("trusted.sha256.not: no such file")));
}

}  // namespace
}  // namespace torchferry::checkpoint
