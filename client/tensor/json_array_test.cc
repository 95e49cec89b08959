#include "client/tensor/json_array.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "server/base/status.h"

namespace torchferry::client {
namespace {

using ::testing::HasSubstr;

Array ParseOrDie(std::string_view text, std::optional<tensor::DType> dtype = std::nullopt) {
  const auto array = ParseJsonArray(text, dtype);
  EXPECT_TRUE(array.ok()) << text << ": " << array.status();
  return array.value_or(Array{});
}

std::string ErrorOf(std::string_view text, std::optional<tensor::DType> dtype = std::nullopt) {
  const auto array = ParseJsonArray(text, dtype);
  EXPECT_EQ(array.status().code(), absl::StatusCode::kInvalidArgument) << text;
  return base::MessageOf(array.status());
}

TEST(JsonArrayTest, TheValuesGiveTheDType) {
  EXPECT_EQ(ParseOrDie("[1, -2]").dtype, tensor::DType::kInt64);
  EXPECT_EQ(ParseOrDie("[1, 2.0]").dtype, tensor::DType::kFp32);
  EXPECT_EQ(ParseOrDie("1e3").dtype, tensor::DType::kFp32);
  EXPECT_EQ(ParseOrDie("[\"NaN\", 1]").dtype, tensor::DType::kFp32);
  EXPECT_EQ(ParseOrDie("true").dtype, tensor::DType::kBool);
  EXPECT_EQ(ParseOrDie("[]").dtype, tensor::DType::kFp32);
}

TEST(JsonArrayTest, NestingGivesTheShape) {
  EXPECT_EQ(ParseOrDie("7").shape, (tensor::Shape{}));
  EXPECT_EQ(ParseOrDie("[7]").shape, (tensor::Shape{1}));
  EXPECT_EQ(ParseOrDie("[[1,2,3],[4,5,6]]").shape, (tensor::Shape{2, 3}));
  EXPECT_EQ(ParseOrDie("[[],[]]").shape, (tensor::Shape{2, 0}));
}

TEST(JsonArrayTest, TheDeclaredDTypeIsTaken) {
  const Array array = ParseOrDie("[[1, 2]]", tensor::DType::kFp32);
  EXPECT_EQ(array.dtype, tensor::DType::kFp32);
  EXPECT_EQ(array.data.size(), 8U);
  EXPECT_EQ(ParseOrDie("[1, 0]", tensor::DType::kBool).data, std::string("\x01\x00", 2));
  EXPECT_EQ(ParseOrDie("3.0", tensor::DType::kInt64).data.size(), 8U);
}

TEST(JsonArrayTest, RaggedListsNameThePlace) {
  EXPECT_THAT(ErrorOf("[[1,2,3],[4,5]]"), HasSubstr("element [1] has 2 elements, expected 3"));
  EXPECT_THAT(ErrorOf("[[1],2]"), HasSubstr("element [1] is 2, expected a list of 1"));
  EXPECT_THAT(ErrorOf("[1,[2]]"), HasSubstr("element [1] is a list"));
}

TEST(JsonArrayTest, RefusesWhatIsNoNumber) {
  EXPECT_THAT(ErrorOf("\"hello\""), HasSubstr("the value is \"hello\""));
  EXPECT_THAT(ErrorOf("[null]"), HasSubstr("null"));
  EXPECT_THAT(ErrorOf("{\"a\": 1}"), HasSubstr("an object"));
  EXPECT_THAT(ErrorOf("[true, 1]"), HasSubstr("mixes"));
  EXPECT_THAT(ErrorOf("[true]", tensor::DType::kFp32), HasSubstr("do not fit FP32"));
}

TEST(JsonArrayTest, RefusesWhatDoesNotFitAndNamesThePlace) {
  EXPECT_THAT(ErrorOf("[[1], [256]]", tensor::DType::kUint8), HasSubstr("element [1, 0]: 256 does not fit UINT8"));
  EXPECT_THAT(ErrorOf("[1.5]", tensor::DType::kInt64), HasSubstr("1.5 is not a whole number"));
  EXPECT_THAT(ErrorOf("[1e39]", tensor::DType::kFp32), HasSubstr("does not fit FP32"));
  EXPECT_THAT(ErrorOf("18446744073709551616", tensor::DType::kUint64), HasSubstr("does not fit"));
}

TEST(JsonArrayTest, BadJsonNamesThePlace) {
  EXPECT_THAT(ErrorOf("[[1,2"), HasSubstr("not JSON: parse error at line 1, column 6"));
  EXPECT_THAT(ErrorOf(""), HasSubstr("not JSON"));
  EXPECT_THAT(ErrorOf("1 2"), HasSubstr("not JSON"));
  EXPECT_THAT(ErrorOf("\"\xff\""), HasSubstr("not JSON"));
}

TEST(JsonArrayTest, DeepNestingIsRefused) {
  const std::string deep(100'000, '[');
  EXPECT_FALSE(ParseJsonArray(deep, std::nullopt).ok());
  EXPECT_THAT(ErrorOf(deep + "1" + std::string(deep.size(), ']')), HasSubstr("deeper than 32"));
  EXPECT_FALSE(ParseJsonArray("[1," + deep + "1" + std::string(deep.size(), ']') + "]", std::nullopt).ok());
}

TEST(JsonArrayTest, WritesNestedLists) {
  EXPECT_EQ(ToJson(ParseOrDie("[[1,2,3],[4,5,6]]")).dump(), "[[1,2,3],[4,5,6]]");
  EXPECT_EQ(ToJson(ParseOrDie("7")).dump(), "7");
  EXPECT_EQ(ToJson(ParseOrDie("[true,false]")).dump(), "[true,false]");
  EXPECT_EQ(ToJson(ParseOrDie("18446744073709551615", tensor::DType::kUint64)).dump(), "18446744073709551615");
  EXPECT_EQ(ToJson(Array{tensor::DType::kFp32, {1'000'000'000, 0}, {}}).dump(), "[]");
}

TEST(JsonArrayTest, WritesTheShortestDecimal) {
  EXPECT_EQ(ToJson(ParseOrDie("[0.1, 1e-7, 16777216.0]", tensor::DType::kFp32)).dump(), "[0.1,1e-07,16777216.0]");
  EXPECT_EQ(ToJson(ParseOrDie("[0.1]", tensor::DType::kFp64)).dump(), "[0.1]");
  EXPECT_EQ(ToJson(ParseOrDie("[1.5]", tensor::DType::kBf16)).dump(), "[1.5]");
}

TEST(JsonArrayTest, NonFiniteFloatsAreStringsBothWays) {
  const char text[] = R"(["NaN","Infinity","-Infinity",1.0])";
  for (const tensor::DType dtype :
       {tensor::DType::kFp16, tensor::DType::kBf16, tensor::DType::kFp32, tensor::DType::kFp64}) {
    EXPECT_EQ(ToJson(ParseOrDie(text, dtype)).dump(), text) << Name(dtype);
  }
  EXPECT_FALSE(ParseJsonArray(text, tensor::DType::kInt32).ok());
}

TEST(JsonArrayTest, TextTravelsAfterItsLengths) {
  const Array array = ParseOrDie(R"([["a", ""], ["NaN", "\u00e9"]])", tensor::DType::kBytes);
  EXPECT_EQ(array.shape, (tensor::Shape{2, 2}));
  EXPECT_EQ(array.data, std::string("\1\0\0\0a\0\0\0\0\3\0\0\0NaN\2\0\0\0\xc3\xa9", 22));
  EXPECT_EQ(ParseOrDie(R"("one")", tensor::DType::kBytes).shape, tensor::Shape());
  EXPECT_FALSE(ParseJsonArray(R"(["a", 1])", tensor::DType::kBytes).ok());
  EXPECT_FALSE(ParseJsonArray(R"(["a"])", tensor::DType::kFp32).ok());
}

}  // namespace
}  // namespace torchferry::client
