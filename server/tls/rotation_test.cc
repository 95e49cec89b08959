#include "server/tls/rotation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "server/base/status.h"
#include "server/tls/test_certificates.h"

namespace torchferry::tls {
namespace {

using std::chrono::days;
using ::testing::HasSubstr;

const Date kNow(days(20000));

Texts TextsOf(const TestCertificate& certificate, const TestCertificate& key) {
  return {{"cert", certificate.pem()}, {"key", key.key_pem()}, {}};
}

Texts TextsOf(const TestCertificate& certificate) { return TextsOf(certificate, certificate); }

std::shared_ptr<const Credentials> Checked(const Texts& texts) {
  return std::make_shared<const Credentials>(CheckCredentials(texts, kNow).value());
}

class RotationTest : public ::testing::Test {
 protected:
  const TestCertificate first_{Wanted{.name = "first", .not_after = kNow + days(100)}};
  const TestCertificate second_{Wanted{.name = "second", .not_after = kNow + days(200)}};
  Rotation rotation_{TextsOf(first_), Checked(TextsOf(first_))};
};

TEST_F(RotationTest, WhatIsTheSameIsNoChange) {
  const Rotation::Step step = rotation_.Look(TextsOf(first_), kNow);
  EXPECT_EQ(step.taken, nullptr);
  EXPECT_EQ(step.refused, "");
}

TEST_F(RotationTest, WhatIsGoodIsTakenAtOnce) {
  const Rotation::Step step = rotation_.Look(TextsOf(second_), kNow);
  ASSERT_NE(step.taken, nullptr);
  EXPECT_EQ(step.taken->subject, "CN=second");
  EXPECT_EQ(rotation_.credentials(), step.taken);
  EXPECT_EQ(rotation_.Look(TextsOf(second_), kNow).taken, nullptr);
}

TEST_F(RotationTest, HalfOfAChangeIsNeitherTakenNorRefused) {
  EXPECT_EQ(rotation_.Look(TextsOf(second_, first_), kNow).refused, "");
  EXPECT_NE(rotation_.Look(TextsOf(second_), kNow).taken, nullptr);
}

TEST_F(RotationTest, WhatStaysBadIsRefusedOnce) {
  const Texts bad = TextsOf(second_, first_);
  EXPECT_EQ(rotation_.Look(bad, kNow).refused, "");
  EXPECT_THAT(rotation_.Look(bad, kNow).refused, HasSubstr("does not fit"));
  EXPECT_EQ(rotation_.Look(bad, kNow).refused, "");
  EXPECT_EQ(rotation_.credentials()->subject, "CN=first");
}

TEST_F(RotationTest, AnotherBadOneIsRefusedAgain) {
  const Texts bad = TextsOf(second_, first_);
  rotation_.Look(bad, kNow);
  rotation_.Look(bad, kNow);
  const absl::Status gone = absl::FailedPreconditionError("key: cannot be read: No such file or directory");
  EXPECT_EQ(rotation_.Look(gone, kNow).refused, "");
  EXPECT_THAT(rotation_.Look(gone, kNow).refused, HasSubstr("No such file"));
  rotation_.Look(bad, kNow);
  EXPECT_THAT(rotation_.Look(bad, kNow).refused, HasSubstr("does not fit"));
}

TEST_F(RotationTest, WhatIsGoodAgainIsNoChange) {
  rotation_.Look(absl::FailedPreconditionError("gone"), kNow);
  EXPECT_EQ(rotation_.Look(TextsOf(first_), kNow).taken, nullptr);
  EXPECT_EQ(rotation_.Look(absl::FailedPreconditionError("gone"), kNow).refused, "");
}

TEST_F(RotationTest, WhatBecomesValidIsTakenThen) {
  const Texts early = TextsOf(TestCertificate(Wanted{.name = "early", .not_before = kNow + days(1)}));
  rotation_.Look(early, kNow);
  EXPECT_THAT(rotation_.Look(early, kNow).refused, HasSubstr("not valid before"));
  EXPECT_NE(rotation_.Look(early, kNow + days(1)).taken, nullptr);
}

TEST_F(RotationTest, AnExpiredOneIsRefusedAndWhatIsServedStaysThoughItExpiresToo) {
  const Texts expired = TextsOf(TestCertificate(Wanted{.not_after = kNow - days(1)}));
  rotation_.Look(expired, kNow);
  EXPECT_THAT(rotation_.Look(expired, kNow).refused, HasSubstr("expired"));
  EXPECT_EQ(rotation_.Look(TextsOf(first_), kNow + days(101)).refused, "");
  EXPECT_EQ(rotation_.credentials()->subject, "CN=first");
}

TEST_F(RotationTest, TheAgeIsToldWhenItChanges) {
  EXPECT_EQ(rotation_.NewAge(kNow), std::nullopt);
  EXPECT_EQ(rotation_.NewAge(kNow + days(90)), Age::kEndsSoon);
  EXPECT_EQ(rotation_.NewAge(kNow + days(91)), std::nullopt);
  EXPECT_EQ(rotation_.NewAge(kNow + days(101)), Age::kExpired);
  rotation_.Look(TextsOf(second_), kNow + days(101));
  EXPECT_EQ(rotation_.NewAge(kNow + days(101)), std::nullopt);
  EXPECT_EQ(rotation_.NewAge(kNow + days(190)), Age::kEndsSoon);
}

}  // namespace
}  // namespace torchferry::tls
