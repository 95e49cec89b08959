#include "server/config/load_config.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <utility>

namespace torchferry::config {
namespace {

absl::StatusOr<ModelConfig> Parse(const std::string& text) { return ParseModelConfig(text, "net/config.pbtxt", "net"); }

TEST(LoadConfigTest, LevelsOfPriorityAndTheDefault) {
  const auto config = Parse("max_batch_size: 4 dynamic_batching { priority_levels: 3 default_priority_level: 2 }");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(LoadConfigOf(*config).priority_levels, 3U);
  EXPECT_EQ(LoadConfigOf(*config).default_priority_level, 2U);
  EXPECT_TRUE(config->warnings.empty());
}

TEST(LoadConfigTest, WithoutAFileNothingIsSaid) {
  const LoadConfig load = LoadConfigOf(ModelConfig{});
  EXPECT_EQ(load.priority_levels, 0U);
  EXPECT_FALSE(load.max_queue_rows.has_value());
}

TEST(LoadConfigTest, LimitsAreParameters) {
  for (const auto& [key, field] : {std::pair{"max_queue_rows", &LoadConfig::max_queue_rows},
                                   {"max_queue_mib", &LoadConfig::max_queue_mib},
                                   {"max_requests_in_flight", &LoadConfig::max_requests_in_flight},
                                   {"max_mib_in_flight", &LoadConfig::max_mib_in_flight},
                                   {"max_streams", &LoadConfig::max_streams}}) {
    const auto parse = [name = key](const char* value) {
      return Parse(fmt::format("parameters {{ key: \"{}\" value {{ string_value: \"{}\" }} }}", name, value));
    };
    EXPECT_EQ(LoadConfigOf(*parse("12")).*field, 12) << key;
    EXPECT_EQ(LoadConfigOf(*parse("0")).*field, 0) << key;
    EXPECT_TRUE(parse("12")->warnings.empty()) << key;
    for (const char* wrong : {"", "-1", "1.5", "many", "4294967297", "99999999999999999999"}) {
      EXPECT_EQ(parse(wrong).status().code(), absl::StatusCode::kInvalidArgument) << key << " " << wrong;
    }
  }
}

}  // namespace
}  // namespace torchferry::config
