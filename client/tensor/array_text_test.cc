#include "client/tensor/array_text.h"

#include <gtest/gtest.h>

#include "client/tensor/json_array.h"

namespace torchferry::client {
namespace {

std::string Text(std::string_view json, tensor::DType dtype) {
  const auto array = ParseJsonArray(json, dtype);
  EXPECT_TRUE(array.ok()) << array.status();
  return ValuesText(*array);
}

TEST(ArrayTextTest, ShowsShortTensorsWhole) {
  EXPECT_EQ(Text("[[441.53125, 0.5], [1, -2]]", tensor::DType::kFp32), "[[441.531, 0.5], [1, -2]]");
  EXPECT_EQ(Text("7", tensor::DType::kInt64), "7");
  EXPECT_EQ(Text("[true, false]", tensor::DType::kBool), "[true, false]");
  EXPECT_EQ(Text("[\"NaN\", \"-Infinity\"]", tensor::DType::kFp16), "[nan, -inf]");
  EXPECT_EQ(Text("[[], []]", tensor::DType::kFp32), "(no elements)");
}

TEST(ArrayTextTest, SummarisesLongTensors) {
  EXPECT_EQ(Text("[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]", tensor::DType::kInt32),
            "0, 1, 2, 3, 4, … min 0 max 16 mean 8");
  EXPECT_EQ(Text("[\"NaN\",1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", tensor::DType::kFp32),
            "nan, 1, 1, 1, 1, … min 1 max 1 mean 1 NaN 1");
  EXPECT_EQ(Text("[1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,1]", tensor::DType::kBool),
            "true, false, false, false, false, … true 2 of 17");
}

}  // namespace
}  // namespace torchferry::client
