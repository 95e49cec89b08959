#include "client/bench/histogram_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

namespace torchferry::client {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(HistogramTextTest, DrawsAShareForEachRange) {
  LatencyHistogram histogram;
  for (int i = 0; i < 3; ++i) histogram.Add(milliseconds(100));
  histogram.Add(std::chrono::microseconds(107'000));
  EXPECT_EQ(HistogramText(histogram, false, 80),
            "  100 - 103 ms   75.0 %  ██████████████████████████████████████████████████\n"
            "  103 - 107 ms   25.0 %  ████████████████▋\n");
  EXPECT_EQ(HistogramText(histogram, true, 45),
            "  100 - 103 ms   75.0 %  ####################\n"
            "  103 - 107 ms   25.0 %  ######\n");
}

TEST(HistogramTextTest, LosesNothingAtTheEnds) {
  LatencyHistogram histogram;
  histogram.Add(std::chrono::nanoseconds(0));
  histogram.Add(std::chrono::hours(1));
  const std::string text = HistogramText(histogram, false, 80);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 12);
  EXPECT_THAT(text.substr(0, text.find('\n')), HasSubstr(" 50.0 %"));
  EXPECT_THAT(text.substr(text.rfind('\n', text.size() - 2)), HasSubstr(" 50.0 %"));
}

TEST(HistogramTextTest, AFewAmongManyAreSeen) {
  LatencyHistogram histogram;
  for (int i = 0; i < 100'000; ++i) histogram.Add(milliseconds(1));
  histogram.Add(milliseconds(2));
  EXPECT_THAT(HistogramText(histogram, false, 80), HasSubstr("  0.0 %  ▏\n"));
  const std::string ascii = HistogramText(histogram, true, std::numeric_limits<size_t>::max());
  EXPECT_THAT(ascii, HasSubstr("  0.0 %  .\n"));
  EXPECT_TRUE(std::ranges::all_of(ascii, [](char c) { return static_cast<unsigned char>(c) < 0x80; }));
}

TEST(HistogramTextTest, OneValueIsOneLine) {
  LatencyHistogram histogram;
  EXPECT_EQ(HistogramText(histogram, false, 80), "");
  histogram.Add(milliseconds(5));
  EXPECT_THAT(HistogramText(histogram, true, 80), HasSubstr("  5.00 - 5.00 ms  100.0 %  ###"));
}

}  // namespace
}  // namespace torchferry::client
