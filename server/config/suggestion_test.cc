#include "server/config/suggestion.h"

#include <gtest/gtest.h>

#include <array>
#include <optional>
#include <string>

namespace torchferry::config {
namespace {

const std::array<std::string, 4> kNames = {"max_batch_size", "name", "TYPE_FP16", "TYPE_FP32"};

TEST(NearestNameTest, FindsSlipsOfThePen) {
  EXPECT_EQ(NearestName("max_batchsize", kNames), "max_batch_size");
  EXPECT_EQ(NearestName("maxBatchSize", kNames), "max_batch_size");
  EXPECT_EQ(NearestName("nmae", kNames), std::nullopt) << "two of four letters is another word";
  EXPECT_EQ(NearestName("nam", kNames), "name");
}

TEST(NearestNameTest, FindsWhatLacksAPrefix) {
  EXPECT_EQ(NearestName("FP32", kNames), "TYPE_FP32");
  EXPECT_EQ(NearestName("fp16", kNames), "TYPE_FP16");
}

TEST(NearestNameTest, SuggestsNothingForOtherWords) {
  EXPECT_EQ(NearestName("precision", kNames), std::nullopt);
  EXPECT_EQ(NearestName("", kNames), std::nullopt);
  EXPECT_EQ(NearestName(std::string(1 << 20, 'n'), kNames), std::nullopt);
  EXPECT_EQ(NearestName("name", {}), std::nullopt);
}

}  // namespace
}  // namespace torchferry::config
