#include "server/plan/placeholder_tensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/base/status.h"

namespace torchferry::plan {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

checkpoint::TensorInfo Tensor(std::string key, tensor::Shape shape) {
  checkpoint::TensorInfo tensor;
  tensor.key = std::move(key);
  tensor.shape = std::move(shape);
  return tensor;
}

TEST(PlaceholderTensorsTest, WeightsOfShapeZeroAreRefusedWithTheWayOut) {
  const absl::Status status = CheckForPlaceholders({Tensor("fc.weight", {0}), Tensor("fc.bias", {0})}, {});
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(base::MessageOf(status),
              AllOf(HasSubstr("2 of its 2 tensors"), HasSubstr("\"fc.weight\""), HasSubstr("zero_to_fp32.py")));
}

TEST(PlaceholderTensorsTest, OneIsEnoughInWhatDeepSpeedWrote) {
  const std::vector<checkpoint::TensorInfo> tensors = {Tensor("a", {0}), Tensor("b", {4}), Tensor("c", {4})};
  EXPECT_FALSE(CheckForPlaceholders(tensors, {"module", "param_shapes"}).ok());
  EXPECT_FALSE(CheckForPlaceholders(tensors, {"ds_version", "module"}).ok());
  EXPECT_TRUE(CheckForPlaceholders(tensors, {"module", "optimizer"}).ok());
}

TEST(PlaceholderTensorsTest, TensorsWithoutElementsMayBeMeant) {
  EXPECT_TRUE(CheckForPlaceholders({Tensor("cache", {0}), Tensor("weight", {2, 4})}, {}).ok());
  EXPECT_TRUE(CheckForPlaceholders({Tensor("weight", {4, 0})}, {"ds_version"}).ok());
  EXPECT_TRUE(CheckForPlaceholders({}, {"ds_version"}).ok());
}

}  // namespace
}  // namespace torchferry::plan
