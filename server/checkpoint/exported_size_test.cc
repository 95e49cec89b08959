#include "server/checkpoint/exported_size.h"

#include "server/checkpoint/test_files.h"

namespace torchferry::checkpoint {
namespace {

using absl::StatusCode;
using testing::Fails;
using ::testing::HasSubstr;

TEST(ExportedSizeTest, ASymbolAndAMultipleOfOneAreKnown) {
  struct Case {
    std::string_view text;
    std::string_view symbol;
    int64_t factor;
  };
  for (const Case& c : {
           Case{"Symbol('s77', positive=True, integer=True)", "s77", 1},
           {"Symbol('u0', integer=True)", "u0", 1},
           {"Symbol('s0')", "s0", 1},
           {"Mul(Integer(4), Symbol('s77', positive=True, integer=True))", "s77", 4},
           {"s77", "s77", 1},
           {"4*s77", "s77", 4},
           {"Add(Symbol('s77', positive=True, integer=True), Integer(1))", "", 1},
           {"Mul(Symbol('s1'), Symbol('s2'))", "", 1},
           {"Mul(Integer(4), Symbol('s77'), Symbol('s1'))", "", 1},
           {"Mul(Integer(-4), Symbol('s77'))", "", 1},
           {"Mul(Integer(99999999999999999999), Symbol('s77'))", "", 1},
           {"s77 + 1", "", 1},
           {"Symbol('s77'", "", 1},
           {"Symbol('s77', positive=)", "", 1},
           {"Symbol('7')", "", 1},
           {"4*", "", 1},
           {"0*s77", "", 1},
           {"", "", 1},
       }) {
    const ExportedSize size = ParseSize(c.text);
    EXPECT_EQ(size.symbol, c.symbol) << c.text;
    EXPECT_EQ(size.factor, c.factor) << c.text;
    EXPECT_EQ(size.expression, c.text);
    EXPECT_FALSE(size.known.has_value());
  }
}

TEST(ExportedSizeTest, TheJsonOfASize) {
  const auto read = [](std::string_view text) { return ReadSize(ParseProgramJson(text).value()); };
  EXPECT_EQ(read(R"({"as_int": 3})")->known, 3);
  EXPECT_EQ(read(R"({"as_expr": {"expr_str": "5", "hint": null}})")->known, 5);
  EXPECT_EQ(read(R"({"as_expr": {"expr_str": "s0", "hint": {"as_int": 3}}})")->symbol, "s0");
  EXPECT_THAT(read(R"({"as_int": -1})").status(), Fails(StatusCode::kDataLoss, HasSubstr("size of -1")));
  EXPECT_THAT(read(R"({"as_int": 1.5})").status(), Fails(StatusCode::kDataLoss, HasSubstr("expected an integer")));
  EXPECT_THAT(read(R"({"as_int": 1, "as_expr": {}})").status(), Fails(StatusCode::kDataLoss, HasSubstr("one member")));
  EXPECT_THAT(read(R"({"as_expr": {}})").status(), Fails(StatusCode::kDataLoss, HasSubstr("has no \"expr_str\"")));
  EXPECT_THAT(read("3").status(), Fails(StatusCode::kDataLoss, HasSubstr("is an integer")));
  EXPECT_THAT(read(R"({"as_float": 1.5})").status(), Fails(StatusCode::kInvalidArgument, HasSubstr("\"as_float\"")));
}

}  // namespace
}  // namespace torchferry::checkpoint
