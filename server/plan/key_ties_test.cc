#include "server/plan/key_ties.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace torchferry::plan {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

checkpoint::TensorInfo Info(const std::string& key, size_t storage, int64_t offset = 0) {
  checkpoint::TensorInfo info;
  info.key = key;
  info.dtype = tensor::DType::kFp32;
  info.shape = {2};
  info.strides = {1};
  info.storage = storage;
  info.storage_offset = offset;
  return info;
}

std::vector<std::string> Left(const std::vector<checkpoint::TensorInfo>& infos, const std::set<std::string_view>& given,
                              std::string& decision) {
  std::vector<const checkpoint::TensorInfo*> tensors;
  std::vector<ArchitectureTensor> wanted;
  for (const checkpoint::TensorInfo& info : infos) {
    tensors.push_back(&info);
    wanted.push_back({info.key, info.dtype, info.shape, true});
  }
  decision = DropTied(tensors, given, wanted);
  std::vector<std::string> left;
  for (const ArchitectureTensor& tensor : wanted) left.push_back(tensor.name);
  return left;
}

TEST(KeyTiesTest, OneOfTiedTensorsIsEnough) {
  const std::vector<checkpoint::TensorInfo> infos = {Info("embed", 0), Info("head", 0), Info("row", 0, 2),
                                                     Info("b", 1)};
  std::string decision;
  EXPECT_THAT(Left(infos, {"embed"}, decision), ElementsAre("embed", "row", "b"));
  EXPECT_THAT(decision, HasSubstr("head as embed"));
  EXPECT_THAT(Left(infos, {"head"}, decision), ElementsAre("head", "row", "b"));
  EXPECT_THAT(Left(infos, {}, decision), ElementsAre("embed", "head", "row", "b"));
  EXPECT_EQ(decision, "");
  EXPECT_THAT(Left(infos, {"embed", "head"}, decision), ElementsAre("embed", "head", "row", "b"));
}

TEST(KeyTiesTest, WeightNormsKeysFollowTheArchitecture) {
  std::vector<std::string> names = {"a.conv.weight_g", "a.conv.weight_v", "a.conv.bias", "", "x_g"};
  const std::string decision = NameWeightNorm(
      {"a.conv.parametrizations.weight.original0", "a.conv.parametrizations.weight.original1", "a.conv.bias"}, names);
  EXPECT_THAT(names, ElementsAre("a.conv.parametrizations.weight.original0", "a.conv.parametrizations.weight.original1",
                                 "a.conv.bias", "", "x_g"));
  EXPECT_THAT(decision, AllOf(HasSubstr("a.conv.weight_g"), HasSubstr("a.conv.weight_v")));
  EXPECT_THAT(NameWeightNorm({"a.conv.weight_g", "a.conv.weight_v"}, names), HasSubstr("original0"));
  EXPECT_THAT(names, ElementsAre("a.conv.weight_g", "a.conv.weight_v", "a.conv.bias", "", "x_g"));
}

TEST(KeyTiesTest, NamesThatTheArchitectureHasStay) {
  std::vector<std::string> names = {"w_g", "parametrizations.w.original0"};
  EXPECT_EQ(NameWeightNorm({"w_g", "parametrizations.w.original0"}, names), "");
  EXPECT_EQ(NameWeightNorm({"parametrizations.w.original0"}, names), "");
  names = {"parametrizations.w.original0"};
  EXPECT_NE(NameWeightNorm({"w_g"}, names), "");
  EXPECT_THAT(names, ElementsAre("w_g"));
}

}  // namespace
}  // namespace torchferry::plan
