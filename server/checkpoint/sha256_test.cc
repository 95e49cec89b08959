#include "server/checkpoint/sha256.h"

#include <gtest/gtest.h>

namespace torchferry::checkpoint {
namespace {

// FIPS 180-4's example "abc".
constexpr char kAbc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

TEST(Sha256Test, PiecesHaveTheDigestOfTheWhole) {
  Sha256Stream stream;
  for (const char* piece : {"a", "", "bc"}) stream.Add(std::as_bytes(std::span(std::string_view(piece))));
  EXPECT_EQ(ToHex(*stream.Finish()), kAbc);
  EXPECT_EQ(ToHex(*Sha256Of(std::as_bytes(std::span(std::string_view("abc"))))), kAbc);
}

TEST(Sha256Test, HexOfEitherCaseIsRead) {
  std::string upper = kAbc;
  for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  ASSERT_TRUE(FromHex(kAbc).has_value());
  EXPECT_EQ(FromHex(upper), FromHex(kAbc));
  EXPECT_EQ(ToHex(*FromHex(upper)), kAbc);
}

TEST(Sha256Test, WhatIsNoDigestIsNotRead) {
  const std::string hex = kAbc;
  for (const std::string& text : {std::string(), hex.substr(1), hex + "0", "g" + hex.substr(1), "-" + hex.substr(1),
                                  "0x" + hex.substr(2), " " + hex.substr(1), hex.substr(0, 63) + "\n"}) {
    EXPECT_FALSE(FromHex(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace torchferry::checkpoint
