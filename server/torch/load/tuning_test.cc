// What is tried, refused, kept and said; the models are fakes whose speed and answers are known. That real ones are
// tuned is shown by tests/e2e/test_tuning.py.
#include "server/torch/load/tuning.h"

#include <gmock/gmock.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <thread>

namespace torchferry::libtorch {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Doubles its input, sleeping for each batch and each row.
class SleepyModel : public model::Model {
 public:
  struct How {
    std::chrono::microseconds batch{0};
    std::chrono::microseconds row{0};
    float factor = 2;
    int64_t most_rows = 1000;
    int64_t knee = 1000;  // rows beyond it take three times as long
  };

  SleepyModel(const config::ModelConfig& config, How how) : how_(how) {
    const tensor::Shape shape = config.max_batch_size > 0 ? tensor::Shape{tensor::kAnyDim, 2} : tensor::Shape{2};
    signature_ = {{{.name = "x", .dtype = tensor::DType::kFp32, .shape = shape}}, {}, config.max_batch_size};
  }

  const tensor::Signature& signature() const override { return signature_; }
  const tensor::DeviceId& device() const override { return device_; }

  absl::StatusOr<std::vector<model::Outputs>> Predict(std::span<const tensor::BoundInputs* const> requests,
                                                      model::PhaseTimes&) override {
    ++runs;
    most_rows = std::max<int64_t>(most_rows, static_cast<int64_t>(requests.size()));
    if (static_cast<int64_t>(requests.size()) > how_.most_rows) return absl::InternalError("too many rows");
    const auto rows = static_cast<int64_t>(requests.size());
    std::this_thread::sleep_for(how_.batch + how_.row * (rows + 2 * std::max<int64_t>(0, rows - how_.knee)));
    std::vector<model::Outputs> answers;
    for (const tensor::BoundInputs* request : requests) {
      const tensor::HostTensor& x = request->values[0][0];
      const auto bytes = std::make_shared<std::vector<float>>(x.bytes.size() / sizeof(float));
      std::memcpy(bytes->data(), x.bytes.data(), x.bytes.size());
      for (float& value : *bytes) value *= how_.factor;
      answers.push_back({{"y", {tensor::DType::kFp32, x.shape, std::as_bytes(std::span(*bytes)), bytes}}});
    }
    return answers;
  }

  std::atomic<int> runs{0};
  std::atomic<int64_t> most_rows{0};

 private:
  const How how_;
  tensor::Signature signature_;
  const tensor::DeviceId device_ = tensor::DeviceId::Cpu();
};

using std::chrono::microseconds;

class TuningTest : public ::testing::Test {
 protected:
  TuningTest() {
    fs::create_directories(folder_);
    config_.name = "m";
    config_.max_batch_size = 4;
    config_.dynamic_batching.emplace();
    options_.is_on = true;
    options_.budget_seconds = 30;
    options_.processors = 2;
    hows_["plain"] = {microseconds(2000), microseconds(1000)};
  }
  ~TuningTest() override { fs::remove_all(folder_); }

  std::shared_ptr<model::Model> Run() {
    made_.clear();
    info_ = {};
    std::vector<std::string> variants;
    for (const std::string& variant : config::TuningVariants()) {
      if (hows_.contains(variant) || variant == raises_) variants.push_back(variant);
    }
    const TuningTask task{.make = [&](const std::string& variant) -> std::shared_ptr<model::Model> {
                            made_.push_back(variant);
                            if (variant == raises_) throw std::runtime_error("cannot be frozen");
                            return models_[variant] = std::make_shared<SleepyModel>(config_, hows_.at(variant));
                          },
                          .variants = variants,
                          .config = config_,
                          .store = folder_.string(),
                          .options = options_,
                          .intra_op_threads = 1,
                          .tolerance = 1e-3,
                          .may_search = may_search_,
                          .record_path = (folder_ / plan::kTuningRecordName).string(),
                          .key = key_};
    models_["plain"] = std::make_shared<SleepyModel>(config_, hows_.at("plain"));
    auto model = Tune(task, models_["plain"], info_);
    EXPECT_TRUE(model.ok()) << model.status();
    return *model;
  }

  std::string Decisions() const {
    std::string text;
    for (const std::string& decision : info_.decisions) text += decision + "\n";
    return text;
  }

  const fs::path folder_ =
      fs::path(::testing::TempDir()) / ::testing::UnitTest::GetInstance()->current_test_info()->name();
  std::map<std::string, SleepyModel::How> hows_;
  std::string raises_;
  config::ModelConfig config_;
  TuningOptions options_;
  bool may_search_ = true;
  plan::TuningKey key_ = {{"sha256", "ab"}};
  std::map<std::string, std::shared_ptr<model::Model>> models_;
  std::vector<std::string> made_;
  model::ModelInfo info_;
};

TEST_F(TuningTest, TheFastestThatAgreesIsTakenAndWhatWasLeftOutIsSaid) {
  hows_["frozen"] = {microseconds(1000), microseconds(250)};
  hows_["inference"] = {microseconds(100), microseconds(10), 2.1F};  // fast and wrong
  raises_ = "channels_last";
  const auto model = Run();
  EXPECT_EQ(model, models_["frozen"]);
  ASSERT_TRUE(info_.tuning.has_value());
  EXPECT_EQ(info_.tuning->variant, "frozen");
  EXPECT_EQ(info_.tuning->batch_rows, 4);
  EXPECT_GT(info_.tuning->rows_per_second, info_.tuning->baseline_rows_per_second);
  EXPECT_EQ(info_.tuning->baseline, "plain");
  EXPECT_FALSE(info_.tuning->is_kept);
  EXPECT_THAT(Decisions(), AllOf(HasSubstr("tuned in "), HasSubstr("inference (its outputs deviate by "),
                                 HasSubstr("channels_last (cannot be frozen)")));
}

TEST_F(TuningTest, MoreRowsThanGainAreNotPutTogether) {
  config_.max_batch_size = 32;
  hows_["plain"] = {microseconds(0), microseconds(1000)};
  hows_["plain"].knee = 4;
  hows_["plain"].most_rows = 12;
  Run();
  ASSERT_TRUE(info_.tuning.has_value());
  EXPECT_LE(info_.tuning->batch_rows, 4);
}

TEST_F(TuningTest, BatchesThatOthersWouldWaitForTooLongAreNotTried) {
  config_.max_batch_size = 64;
  hows_["plain"] = {microseconds(60000), microseconds(60000)};  // ever faster with the rows, and slow
  config_.optimize.budget_seconds = 4;
  const auto model = Run();
  ASSERT_TRUE(info_.tuning.has_value());
  EXPECT_LE(static_cast<SleepyModel&>(*model).most_rows, 6) << "8 rows would take 0.54 s";
  EXPECT_GE(info_.tuning->batch_rows, 4);
}

TEST_F(TuningTest, AKeptResultIsUsedWithoutASearch) {
  hows_["frozen"] = {microseconds(500), microseconds(100)};
  Run();
  const model::TuningInfo first = *info_.tuning;
  const auto model = Run();
  EXPECT_EQ(model, models_["frozen"]);
  EXPECT_TRUE(info_.tuning->is_kept);
  EXPECT_EQ(info_.tuning->rows_per_second, first.rows_per_second);
  EXPECT_LE(static_cast<SleepyModel&>(*model).runs, 4) << "compared, not measured";
  EXPECT_THAT(Decisions(), HasSubstr("tuned before: frozen"));
  may_search_ = false;
  EXPECT_EQ(Run(), models_["frozen"]);
  key_["sha256"] = "other";
  EXPECT_EQ(Run(), models_["plain"]) << "not kept for this file, and no search is allowed";
  EXPECT_FALSE(info_.tuning.has_value());
}

TEST_F(TuningTest, AKeptVariantThatDoesNotAgreeAnyMoreIsSoughtAgain) {
  hows_["frozen"] = {microseconds(500), microseconds(100)};
  Run();
  hows_["frozen"].factor = 3;
  EXPECT_EQ(Run(), models_["plain"]);
  EXPECT_FALSE(info_.tuning->is_kept);
}

TEST_F(TuningTest, WhatWasFoundForOtherProcessorsOrLimitsIsNotUsed) {
  Run();
  options_.processors = 1;
  Run();
  EXPECT_FALSE(info_.tuning->is_kept);
  config_.max_batch_size = 2;
  Run();
  EXPECT_FALSE(info_.tuning->is_kept);
  EXPECT_LE(info_.tuning->batch_rows, 2);
}

TEST_F(TuningTest, TheBudgetEndsTheSearch) {
  hows_["plain"] = {microseconds(30000), microseconds(0)};
  for (const char* variant : {"frozen", "inference", "channels_last"}) hows_[variant] = hows_["plain"];
  config_.optimize.budget_seconds = 0.4;
  const auto began = std::chrono::steady_clock::now();
  Run();
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(5));
  ASSERT_TRUE(info_.tuning.has_value());
  EXPECT_THAT(Decisions(), HasSubstr(", until optimize_budget_seconds, 0.4, had passed"));
}

TEST_F(TuningTest, WhatABudgetCutShortIsSoughtAgainWithALargerOneAndLimitsNoBatch) {
  config_.max_batch_size = 16;
  config_.optimize.budget_seconds = 1e-6;
  Run();
  EXPECT_FALSE(info_.tuning.has_value());
  hows_["plain"] = {microseconds(100000), microseconds(100)};
  config_.optimize.budget_seconds = 0.15;
  Run();
  ASSERT_TRUE(info_.tuning.has_value());
  EXPECT_EQ(info_.tuning->batch_rows, 16) << "nobody knows better";
  Run();
  EXPECT_TRUE(info_.tuning->is_kept) << "no more time than then";
  config_.optimize.budget_seconds = 0.3;
  Run();
  EXPECT_FALSE(info_.tuning->is_kept);
}

TEST_F(TuningTest, TheServersEndEndsASearchAndNothingIsKept) {
  hows_["plain"] = {microseconds(20000), microseconds(0)};
  std::atomic<int> asked = 0;
  options_.is_stopping = [&] { return ++asked > 3; };
  Run();
  EXPECT_TRUE(info_.tuning.has_value());
  EXPECT_FALSE(fs::exists(folder_ / plan::kTuningRecordName));
}

TEST_F(TuningTest, NothingToTryWithIsSaid) {
  config_.optimize.budget_seconds = 0;
  EXPECT_EQ(Run(), models_["plain"]);
  EXPECT_FALSE(info_.tuning.has_value());
  EXPECT_THAT(Decisions(), HasSubstr("not tuned"));
}

TEST(TuningSwitchTest, TheConfigurationIsHeardBeforeTheServerAndDeterminismBeforeBoth) {
  using Mode = config::OptimizeConfig::Mode;
  const auto is_on = [](bool server, bool deterministic, Mode mode) {
    return IsTuningOn({.is_on = server, .is_deterministic = deterministic, .processor = {}},
                      {.mode = mode, .variants = {}, .budget_seconds = {}});
  };
  for (const bool server : {false, true}) {
    EXPECT_EQ(is_on(server, false, Mode::kServer), server);
    EXPECT_TRUE(is_on(server, false, Mode::kAuto));
    EXPECT_TRUE(is_on(server, false, Mode::kList));
    EXPECT_FALSE(is_on(server, false, Mode::kOff));
    for (const Mode mode : {Mode::kServer, Mode::kAuto, Mode::kList, Mode::kOff})
      EXPECT_FALSE(is_on(server, true, mode));
  }
}

}  // namespace
}  // namespace torchferry::libtorch
