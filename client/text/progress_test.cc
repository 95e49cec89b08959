#include "client/text/progress.h"

#include <gtest/gtest.h>

#include <sstream>

namespace torchferry::client {
namespace {

TEST(ProgressTest, TheBarFills) {
  EXPECT_EQ(ProgressText(0, 10), "[--------------------]   0 %");
  EXPECT_EQ(ProgressText(4, 10), "[########------------]  40 %");
  EXPECT_EQ(ProgressText(10, 10), "[####################] 100 %");
  EXPECT_EQ(ProgressText(0, 0), "[####################] 100 %");
}

TEST(ProgressTest, DrawsNothingWhereThereIsNoTerminal) {
  std::istringstream in;
  std::ostringstream out;
  std::ostringstream err;
  const Console console{in, out, err};
  {
    ProgressBar bar(console, "model.pt");
    bar.Update(1, 2);
  }
  EXPECT_EQ(err.str(), "");
}

}  // namespace
}  // namespace torchferry::client
