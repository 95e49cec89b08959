#include "server/model/model.h"

#include <gtest/gtest.h>

namespace torchferry::model {
namespace {

const std::byte kBytes[64] = {};

tensor::HostTensor Tensor(tensor::DType dtype, tensor::Shape shape, size_t bytes, size_t offset = 0) {
  return {dtype, std::move(shape), std::span(kBytes).subspan(offset, bytes), nullptr};
}

tensor::Signature TensorAndInt() {
  tensor::Signature s;
  s.inputs = {{"x", tensor::ArgumentKind::kTensor, tensor::DType::kInvalid, std::nullopt, false},
              {"n", tensor::ArgumentKind::kInt, tensor::DType::kInt64, std::nullopt, true}};
  s.max_batch_size = 8;
  return s;
}

TEST(BatchKeyTest, IgnoresTheRowsAndNothingElse) {
  const tensor::Signature s = TensorAndInt();
  const tensor::BoundInputs one{{{Tensor(tensor::DType::kFp32, {1, 4}, 16)}, {}}, 1};
  const tensor::BoundInputs two{{{Tensor(tensor::DType::kFp32, {2, 4}, 32)}, {}}, 2};
  const tensor::BoundInputs wide{{{Tensor(tensor::DType::kFp32, {1, 5}, 20)}, {}}, 1};
  const tensor::BoundInputs ints{{{Tensor(tensor::DType::kInt32, {1, 4}, 16)}, {}}, 1};
  EXPECT_EQ(BatchKey(s, one), BatchKey(s, two));
  EXPECT_NE(BatchKey(s, one), BatchKey(s, wide));
  EXPECT_NE(BatchKey(s, one), BatchKey(s, ints));
}

TEST(BatchKeyTest, TellsScalarsAndAbsenceApart) {
  static const int64_t kFive = 5;
  static const int64_t kSix = 6;
  const auto with = [](const int64_t& n) {
    return tensor::BoundInputs{{{Tensor(tensor::DType::kFp32, {1, 4}, 16)},
                                {{tensor::DType::kInt64, {}, std::as_bytes(std::span(&n, 1)), nullptr}}},
                               1};
  };
  const tensor::BoundInputs absent{{{Tensor(tensor::DType::kFp32, {1, 4}, 16)}, {}}, 1};
  const tensor::Signature s = TensorAndInt();
  EXPECT_EQ(BatchKey(s, with(kFive)), BatchKey(s, with(kFive)));
  EXPECT_NE(BatchKey(s, with(kFive)), BatchKey(s, with(kSix)));
  EXPECT_NE(BatchKey(s, with(kFive)), BatchKey(s, absent));
}

TEST(BatchKeyTest, TellsTheKeysOfDictsApart) {
  tensor::Signature s;
  s.max_batch_size = 8;
  s.inputs = {{"d", tensor::ArgumentKind::kTensorDict, tensor::DType::kInvalid, std::nullopt, false}};
  const auto with = [](std::vector<std::string> keys) {
    const std::vector<tensor::HostTensor> values(keys.size(), Tensor(tensor::DType::kFp32, {1, 4}, 16));
    return tensor::BoundInputs{{values}, 1, {{0, std::move(keys)}}};
  };
  EXPECT_EQ(BatchKey(s, with({"a", "b"})), BatchKey(s, with({"a", "b"})));
  EXPECT_NE(BatchKey(s, with({"a", "b"})), BatchKey(s, with({"a", "c"})));
  EXPECT_NE(BatchKey(s, with({"ab", "c"})), BatchKey(s, with({"a", "bc"})));
}

}  // namespace
}  // namespace torchferry::model
