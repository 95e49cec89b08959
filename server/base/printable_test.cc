#include "server/base/printable.h"

#include <gtest/gtest.h>

namespace torchferry::base {
namespace {

TEST(PrintableTest, DisarmsTerminalSequences) {
  EXPECT_EQ(Printable("a\x1b[2Jb\rc\x7f"), "a\\x1b[2Jb\\x0dc\\x7f");
  EXPECT_EQ(Printable("a\nb"), "a\\nb");
  EXPECT_EQ(Printable("a\nb", true), "a\nb");
  EXPECT_EQ(Printable("é…"), "é…");
  EXPECT_EQ(Printable("a\xc2\x9b"
                      "2Jb"),
            "a\\x9b2Jb");  // CSI, as one character
  EXPECT_EQ(Printable("a\x9b"
                      "2Jb\xff"),
            "a\\x9b2Jb\\xff");
}

}  // namespace
}  // namespace torchferry::base
