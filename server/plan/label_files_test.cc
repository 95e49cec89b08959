#include "server/plan/label_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "server/base/status.h"
#include "server/tensor/request_limits.h"

namespace torchferry::plan {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class LabelFilesTest : public ::testing::Test {
 protected:
  LabelFilesTest() : store_(::testing::TempDir() + "labels-" + std::to_string(getpid())) {
    std::filesystem::create_directories(store_ + "/m");
    for (const char* name : {"y", "z"}) {
      config_.outputs.emplace_back().name = name;
      config_.outputs.back().label_filename = "labels.txt";
    }
  }
  ~LabelFilesTest() override { std::filesystem::remove_all(store_); }

  absl::StatusOr<std::map<std::string, std::vector<std::string>>> Read(const std::string& text) {
    std::ofstream(store_ + "/m/labels.txt", std::ios::binary) << text;
    return ReadLabels(store_, "m", config_);
  }
  void ExpectRefused(const std::string& text, const std::string& why) {
    const absl::Status status = Read(text).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(base::MessageOf(status), HasSubstr("label_filename of output \"y\": m/labels.txt"));
    EXPECT_THAT(base::MessageOf(status), HasSubstr(why));
  }

  const std::string store_;
  config::ModelConfig config_;
};

TEST_F(LabelFilesTest, ALineIsAClass) {
  const auto labels = Read("cat\r\n\nBlå dog\n");
  ASSERT_TRUE(labels.ok()) << labels.status();
  EXPECT_THAT(labels->at("y"), ElementsAre("cat", "", "Blå dog"));
  EXPECT_EQ(labels->at("z"), labels->at("y"));
  EXPECT_THAT(Read("a\nb")->at("y"), ElementsAre("a", "b"));
  EXPECT_TRUE(Read("")->at("y").empty());
}

TEST_F(LabelFilesTest, WhatIsNoListOfLabelsIsRefused) {
  ExpectRefused("\xff\xfe", "is not UTF-8");
  ExpectRefused("a\n" + std::string(limits::kMaxLabelBytes + 1, 'x'), ":2: expected at most");
  ExpectRefused(std::string(limits::kMaxLabels + 1, '\n'), "lines of at most");
  ExpectRefused(std::string(static_cast<size_t>(limits::kMaxLabelFileBytes) + 1, 'x'), "bytes; expected at most");
}

TEST_F(LabelFilesTest, AFileThatIsNotThereIsNamed) {
  const absl::Status status = ReadLabels(store_, "m", config_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(base::MessageOf(status), HasSubstr("m/labels.txt"));
}

}  // namespace
}  // namespace torchferry::plan
