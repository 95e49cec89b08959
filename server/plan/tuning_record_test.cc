#include "server/plan/tuning_record.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace torchferry::plan {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class TuningRecordTest : public ::testing::Test {
 protected:
  TuningRecordTest() { fs::create_directories(folder_); }
  ~TuningRecordTest() override { fs::remove_all(folder_); }

  std::string Text() const {
    std::ostringstream text;
    text << std::ifstream(path_).rdbuf();
    return text.str();
  }
  // A list inside a list, and so on.
  static std::string Deep(size_t levels) { return std::string(levels, '[') + std::string(levels, ']'); }
  void SetText(const std::string& text) const { std::ofstream(path_) << text; }

  const fs::path folder_ =
      fs::path(::testing::TempDir()) / ::testing::UnitTest::GetInstance()->current_test_info()->name();
  const std::string path_ = (folder_ / kTuningRecordName).string();
  const TuningKey key_ = {{"sha256", "ab"}, {"processor", "one"}};
  const TuningRecord record_{
      .best = {"frozen", 2, 12},
      .rows_per_second = 91.5,
      .simplest_rows_per_second = 60.25,
      .budget_seconds = 10,
      .deviation = 1e-6,
      .is_final = true,
      .latency = TuningLatency{
          .variant = "channels_last", .threads = 8, .max_rows = 2, .seconds = 0.025, .throughput_seconds = 0.0625}};
};

TEST_F(TuningRecordTest, WhatIsWrittenIsReadByItsKeyAlone) {
  EXPECT_FALSE(ReadTuningRecord(path_, key_).has_value());
  ASSERT_TRUE(WriteTuningRecord(path_, key_, record_).ok());
  const auto read = ReadTuningRecord(path_, key_);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->best, record_.best);
  EXPECT_EQ(read->rows_per_second, 91.5);
  EXPECT_EQ(read->simplest_rows_per_second, 60.25);
  EXPECT_EQ(read->budget_seconds, 10);
  EXPECT_EQ(read->deviation, 1e-6);
  EXPECT_TRUE(read->is_final);
  ASSERT_TRUE(read->latency.has_value());
  EXPECT_EQ(read->latency->variant, "channels_last");
  EXPECT_EQ(read->latency->threads, 8);
  EXPECT_EQ(read->latency->max_rows, 2);
  EXPECT_EQ(read->latency->seconds, 0.025);
  EXPECT_EQ(read->latency->throughput_seconds, 0.0625);
  EXPECT_FALSE(ReadTuningRecord(path_, {{"sha256", "ab"}, {"processor", "two"}}).has_value());
  EXPECT_FALSE(ReadTuningRecord(path_, {{"sha256", "ab"}}).has_value());
}

TEST_F(TuningRecordTest, WhatAnEarlierReleaseKeptIsReadAndIsNotFinal) {
  SetText(R"({"records": [{"key": {"sha256": "ab", "processor": "one"}, "variant": "frozen", "intra_op_threads": 2,
    "batch_rows": 12, "rows_per_second": 91.5, "simplest_rows_per_second": 60.25, "budget_seconds": 0,
    "deviation": 1e-6}]})");
  const auto read = ReadTuningRecord(path_, key_);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->best, record_.best);
  EXPECT_FALSE(read->is_final) << "it knows no latency point";
  EXPECT_FALSE(read->latency.has_value());
}

TEST_F(TuningRecordTest, HostsThatShareAStoreKeepTheirOwn) {
  for (int host = 0; host < 20; ++host) {
    ASSERT_TRUE(WriteTuningRecord(path_, {{"processor", std::to_string(host)}}, {.best = {"plain", 1, host + 1}}).ok());
  }
  ASSERT_TRUE(WriteTuningRecord(path_, {{"processor", "19"}}, {.best = {"plain", 1, 99}}).ok());
  EXPECT_EQ(ReadTuningRecord(path_, {{"processor", "19"}})->best.rows, 99);
  EXPECT_EQ(ReadTuningRecord(path_, {{"processor", "4"}})->best.rows, 5);
  EXPECT_FALSE(ReadTuningRecord(path_, {{"processor", "3"}}).has_value()) << "the newest 16 stay";
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 1) << "nothing is left beside it";
}

TEST_F(TuningRecordTest, AFileThatIsNoneOfOursIsAsNone) {
  ASSERT_TRUE(WriteTuningRecord(path_, key_, record_).ok());
  const std::string good = Text();
  for (const std::string& text :
       {std::string(), std::string("{"), std::string("[]"), std::string(R"({"records": 3})"),
        std::string(R"({"records": [1, null, {"key": 2}]})"), std::string(3 << 20, '['), std::string(100'000, '['),
        R"({"records": [{"key": )" + Deep(100'000) + "}]}", R"({"records": )" + Deep(500'000) + "}",
        R"({"a": )" + Deep(8) + R"(, "records": []})", good.substr(0, good.size() / 2)}) {
    SetText(text);
    EXPECT_FALSE(ReadTuningRecord(path_, key_).has_value()) << text.substr(0, 60);
    EXPECT_TRUE(WriteTuningRecord(path_, key_, record_).ok());
    EXPECT_TRUE(ReadTuningRecord(path_, key_).has_value());
  }
}

TEST_F(TuningRecordTest, AValueThatNobodyWroteIsRefused) {
  ASSERT_TRUE(WriteTuningRecord(path_, key_, record_).ok());
  const std::string good = Text();
  const std::pair<const char*, const char*> edits[] = {{"\"batch_rows\": 12", "\"batch_rows\": 0"},
                                                       {"\"batch_rows\": 12", "\"batch_rows\": -3"},
                                                       {"\"batch_rows\": 12", "\"batch_rows\": \"12\""},
                                                       {"\"intra_op_threads\": 2", "\"intra_op_threads\": 100000"},
                                                       {"\"rows_per_second\": 91.5", "\"rows_per_second\": -1"},
                                                       {"\"final\": true", "\"final\": 3"},
                                                       {"\"max_rows\": 2", "\"max_rows\": 100"},
                                                       {"\"seconds\": 0.025", "\"seconds\": -1"},
                                                       {"\"intra_op_threads\": 8", "\"intra_op_threads\": 0"},
                                                       {"\"variant\": \"frozen\"", "\"variant\": 4"}};
  for (const auto& [from, to] : edits) {
    std::string text = good;
    ASSERT_NE(text.find(from), std::string::npos) << from;
    text.replace(text.find(from), std::string(from).size(), to);
    SetText(text);
    EXPECT_FALSE(ReadTuningRecord(path_, key_).has_value()) << to;
  }
}

TEST_F(TuningRecordTest, APipeIsNotWaitedForAndAFolderIsNotReplaced) {
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  EXPECT_FALSE(ReadTuningRecord(path_, key_).has_value());
  fs::remove(path_);
  fs::create_directory(path_);
  EXPECT_FALSE(ReadTuningRecord(path_, key_).has_value());
  const absl::Status status = WriteTuningRecord(path_, key_, record_);
  EXPECT_THAT(std::string(status.message()), HasSubstr("what is there cannot be replaced: Is a directory"));
}

TEST_F(TuningRecordTest, NoLinkIsFollowed) {
  const std::string outside = (folder_ / "outside").string();
  ASSERT_TRUE(WriteTuningRecord(outside, key_, record_).ok());
  std::ofstream(outside, std::ios::app) << " \n";
  const auto size = fs::file_size(outside);
  fs::create_symlink(outside, path_);
  fs::create_symlink(outside, path_ + "." + std::to_string(getpid()));
  EXPECT_FALSE(ReadTuningRecord(path_, key_).has_value());
  ASSERT_TRUE(WriteTuningRecord(path_, key_, record_).ok());
  EXPECT_FALSE(fs::is_symlink(path_));
  EXPECT_TRUE(ReadTuningRecord(path_, key_).has_value());
  EXPECT_EQ(fs::file_size(outside), size);
}

TEST_F(TuningRecordTest, AFolderThatIsNotThereIsSaid) {
  const absl::Status status = WriteTuningRecord((folder_ / "none" / kTuningRecordName).string(), key_, record_);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("cannot be written: No such file or directory"));
}

}  // namespace
}  // namespace torchferry::plan
