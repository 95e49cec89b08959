#include "server/tls/validity.h"

#include <gtest/gtest.h>

namespace torchferry::tls {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::seconds;

TEST(ValidityTest, TheLastFifthOrTheLastFortnightIsSoon) {
  struct Row {
    seconds time;  // from the certificate's begin to its end
    seconds left;
    Age age;
  };
  for (const Row& row : {Row{days(365), days(365) + seconds(1), Age::kNotYet}, Row{days(365), days(365), Age::kValid},
                         Row{days(365), days(14), Age::kValid}, Row{days(365), days(13), Age::kEndsSoon},
                         Row{days(365), seconds(0), Age::kEndsSoon}, Row{days(365), seconds(-1), Age::kExpired},
                         Row{days(10), days(2), Age::kValid}, Row{days(10), hours(47), Age::kEndsSoon},
                         Row{hours(1), seconds(720), Age::kValid}, Row{hours(1), seconds(719), Age::kEndsSoon}}) {
    const Date end(days(20000));
    EXPECT_EQ(AgeOf({end - row.time, end}, end - row.left), row.age)
        << row.time.count() << " s, " << row.left.count() << " s left";
  }
}

TEST(ValidityTest, DatesAreInUtc) { EXPECT_EQ(ToText(Date(seconds(1800000000))), "2027-01-15T08:00:00Z"); }

}  // namespace
}  // namespace torchferry::tls
