#include "server/model/model.h"

#include <gtest/gtest.h>

namespace torchferry {
namespace {

const std::byte kBytes[64] = {};

HostTensor Tensor(DType dtype, Shape shape, size_t bytes, size_t offset = 0) {
  return {dtype, std::move(shape), std::span(kBytes).subspan(offset, bytes), nullptr};
}

Signature TensorAndInt() {
  Signature s;
  s.inputs = {{"x", ArgumentKind::kTensor, DType::kInvalid, std::nullopt, false},
              {"n", ArgumentKind::kInt, DType::kInt64, std::nullopt, true}};
  s.max_batch_size = 8;
  return s;
}

TEST(BatchKeyTest, IgnoresTheRowsAndNothingElse) {
  const Signature s = TensorAndInt();
  const BoundInputs one{{{Tensor(DType::kFp32, {1, 4}, 16)}, {}}, 1};
  const BoundInputs two{{{Tensor(DType::kFp32, {2, 4}, 32)}, {}}, 2};
  const BoundInputs wide{{{Tensor(DType::kFp32, {1, 5}, 20)}, {}}, 1};
  const BoundInputs ints{{{Tensor(DType::kInt32, {1, 4}, 16)}, {}}, 1};
  EXPECT_EQ(BatchKey(s, one), BatchKey(s, two));
  EXPECT_NE(BatchKey(s, one), BatchKey(s, wide));
  EXPECT_NE(BatchKey(s, one), BatchKey(s, ints));
}

TEST(BatchKeyTest, TellsScalarsAndAbsenceApart) {
  static const int64_t kFive = 5;
  static const int64_t kSix = 6;
  const auto with = [](const int64_t& n) {
    return BoundInputs{
        {{Tensor(DType::kFp32, {1, 4}, 16)}, {{DType::kInt64, {}, std::as_bytes(std::span(&n, 1)), nullptr}}}, 1};
  };
  const BoundInputs absent{{{Tensor(DType::kFp32, {1, 4}, 16)}, {}}, 1};
  const Signature s = TensorAndInt();
  EXPECT_EQ(BatchKey(s, with(kFive)), BatchKey(s, with(kFive)));
  EXPECT_NE(BatchKey(s, with(kFive)), BatchKey(s, with(kSix)));
  EXPECT_NE(BatchKey(s, with(kFive)), BatchKey(s, absent));
}

}  // namespace
}  // namespace torchferry
