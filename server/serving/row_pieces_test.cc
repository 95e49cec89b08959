#include "server/serving/row_pieces.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <memory>

#include "server/base/status.h"

namespace torchferry {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Floats = std::vector<float>;

HostTensor Tensor(Floats values, Shape shape) {
  const auto owner = std::make_shared<Floats>(std::move(values));
  return {DType::kFp32, std::move(shape), std::as_bytes(std::span(*owner)), owner};
}

Floats Values(const HostTensor& tensor) {
  Floats values(tensor.bytes.size() / sizeof(float));
  std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
  return values;
}

TEST(RowPiecesTest, EachTensorGivesItsRowsAndNumbersStay) {
  Signature signature;
  signature.max_batch_size = 8;
  signature.inputs = {{"x", ArgumentKind::kTensor, DType::kFp32, {}, false},
                      {"scale", ArgumentKind::kFloat, DType::kFp32, {}, false},
                      {"mask", ArgumentKind::kOptionalTensor, DType::kFp32, {}, true},
                      {"xs", ArgumentKind::kTensorList, DType::kFp32, {}, false}};
  BoundInputs inputs;
  inputs.rows = 3;
  inputs.values = {{Tensor({1, 2, 3, 4, 5, 6}, {3, 2})},
                   {Tensor({9}, {1})},
                   {},
                   {Tensor({1, 2, 3}, {3}), Tensor({4, 5, 6}, {3, 1})}};
  const BoundInputs piece = RowsOf(signature, inputs, 1, 2);
  EXPECT_EQ(piece.rows, 2);
  EXPECT_THAT(Values(piece.values[0][0]), ElementsAre(3, 4, 5, 6));
  EXPECT_EQ(piece.values[0][0].shape, (Shape{2, 2}));
  EXPECT_THAT(Values(piece.values[1][0]), ElementsAre(9));
  EXPECT_TRUE(piece.values[2].empty());
  EXPECT_THAT(Values(piece.values[3][0]), ElementsAre(2, 3));
  EXPECT_THAT(Values(piece.values[3][1]), ElementsAre(5, 6));
}

TEST(RowPiecesTest, OutputsAreJoinedInOrder) {
  const auto joined = JoinRows({{{"y", Tensor({1, 2}, {1, 2})}}, {{"y", Tensor({3, 4, 5, 6}, {2, 2})}}});
  ASSERT_TRUE(joined.ok());
  EXPECT_EQ(joined->at(0).tensor.shape, (Shape{3, 2}));
  EXPECT_THAT(Values(joined->at(0).tensor), ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST(RowPiecesTest, WhatDoesNotFitTogetherIsAnError) {
  const auto joined = JoinRows({{{"y", Tensor({1, 2}, {1, 2})}}, {{"y", Tensor({3}, {1, 1})}}});
  EXPECT_EQ(joined.status().code(), absl::StatusCode::kInternal);
  EXPECT_THAT(MessageOf(joined.status()),
              HasSubstr("\"y\" has shape [1, 2] for some rows of the request and [1, 1] for others"));
}

}  // namespace
}  // namespace torchferry
