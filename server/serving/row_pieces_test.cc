#include "server/serving/row_pieces.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <memory>

#include "server/base/status.h"

namespace torchferry::serving {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Floats = std::vector<float>;

tensor::HostTensor Tensor(Floats values, tensor::Shape shape) {
  const auto owner = std::make_shared<Floats>(std::move(values));
  return {tensor::DType::kFp32, std::move(shape), std::as_bytes(std::span(*owner)), owner};
}

Floats Values(const tensor::HostTensor& tensor) {
  Floats values(tensor.bytes.size() / sizeof(float));
  std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
  return values;
}

TEST(RowPiecesTest, EachTensorGivesItsRowsAndNumbersStay) {
  tensor::Signature signature;
  signature.max_batch_size = 8;
  signature.inputs = {{"x", tensor::ArgumentKind::kTensor, tensor::DType::kFp32, {}, false},
                      {"scale", tensor::ArgumentKind::kFloat, tensor::DType::kFp32, {}, false},
                      {"mask", tensor::ArgumentKind::kOptionalTensor, tensor::DType::kFp32, {}, true},
                      {"xs", tensor::ArgumentKind::kTensorList, tensor::DType::kFp32, {}, false}};
  tensor::BoundInputs inputs;
  inputs.rows = 3;
  inputs.values = {{Tensor({1, 2, 3, 4, 5, 6}, {3, 2})},
                   {Tensor({9}, {1})},
                   {},
                   {Tensor({1, 2, 3}, {3}), Tensor({4, 5, 6}, {3, 1})}};
  const tensor::BoundInputs piece = RowsOf(signature, inputs, 1, 2);
  EXPECT_EQ(piece.rows, 2);
  EXPECT_THAT(Values(piece.values[0][0]), ElementsAre(3, 4, 5, 6));
  EXPECT_EQ(piece.values[0][0].shape, (tensor::Shape{2, 2}));
  EXPECT_THAT(Values(piece.values[1][0]), ElementsAre(9));
  EXPECT_TRUE(piece.values[2].empty());
  EXPECT_THAT(Values(piece.values[3][0]), ElementsAre(2, 3));
  EXPECT_THAT(Values(piece.values[3][1]), ElementsAre(5, 6));
}

TEST(RowPiecesTest, OutputsAreJoinedInOrder) {
  const auto joined = JoinRows({{{"y", Tensor({1, 2}, {1, 2})}}, {{"y", Tensor({3, 4, 5, 6}, {2, 2})}}});
  ASSERT_TRUE(joined.ok());
  EXPECT_EQ(joined->at(0).tensor.shape, (tensor::Shape{3, 2}));
  EXPECT_THAT(Values(joined->at(0).tensor), ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST(RowPiecesTest, WhatDoesNotFitTogetherIsAnError) {
  const auto joined = JoinRows({{{"y", Tensor({1, 2}, {1, 2})}}, {{"y", Tensor({3}, {1, 1})}}});
  EXPECT_EQ(joined.status().code(), absl::StatusCode::kInternal);
  EXPECT_THAT(base::MessageOf(joined.status()),
              HasSubstr("\"y\" has shape [1, 2] for some rows of the request and [1, 1] for others"));
}

TEST(RowPiecesTest, RowsOfTextAreCutBetweenElements) {
  tensor::Signature signature;
  signature.max_batch_size = 8;
  signature.inputs = {{"t", tensor::ArgumentKind::kStringList, tensor::DType::kBytes, {}, false}};
  const auto owner = std::make_shared<std::string>();
  for (const std::string text : {"a", "", "bcd", "ef", "g", ""}) {
    const auto length = static_cast<uint32_t>(text.size());
    owner->append(reinterpret_cast<const char*>(&length), sizeof(length)).append(text);
  }
  tensor::BoundInputs inputs;
  inputs.rows = 3;
  inputs.values = {{{tensor::DType::kBytes, {3, 2}, std::as_bytes(std::span(*owner)), owner}}};
  const auto texts = [&](int64_t begin, int64_t count) {
    return tensor::TextElements(RowsOf(signature, inputs, begin, count).values[0][0]);
  };
  EXPECT_THAT(texts(0, 1), ElementsAre("a", ""));
  EXPECT_THAT(texts(1, 2), ElementsAre("bcd", "ef", "g", ""));
  EXPECT_THAT(texts(2, 1), ElementsAre("g", ""));
}

}  // namespace
}  // namespace torchferry::serving
