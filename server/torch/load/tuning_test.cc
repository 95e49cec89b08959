// What is tried, refused, kept and said; the models are fakes whose speed and answers are known. That real ones are
// tuned is shown by tests/e2e/test_tuning.py.
#include "server/torch/load/tuning.h"

#include <gmock/gmock.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>

#include "server/torch/load/test_sleepy_model.h"

namespace torchferry::libtorch {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

using std::chrono::microseconds;

class QuietTurn final : public model::IdleTurn {
 public:
  bool IsQuiet() const override { return true; }
  void Replace(model::PlacedModel placed) override { better = std::move(placed); }
  std::optional<model::PlacedModel> better;
};

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
                          .workers = workers_,
                          .tolerance = 1e-3,
                          .accept = accept_,
                          .may_search = may_search_,
                          .record_path = RecordPath(),
                          .key = key_,
                          .measure = measure_};
    models_["plain"] = std::make_shared<SleepyModel>(config_, hows_.at("plain"));
    absl::StatusOr<Tuned> tuned = Tune(task, models_["plain"], info_);
    EXPECT_TRUE(tuned.ok()) << tuned.status();
    tuned_ = *std::move(tuned);
    return tuned_.model;
  }

  // Takes no time, and is disturbed where `is_disturbed_` says so.
  void MeasureWithoutMeasuring() {
    measure_ = [this](model::Model& model, std::span<const tensor::BoundInputs* const> requests, const Load& load) {
      Throughput found = static_cast<SleepyModel&>(model).ThroughputOf(static_cast<int64_t>(requests.size()), load);
      found.is_disturbed = is_disturbed_;
      return found;
    };
  }

  std::string RecordPath() const { return (folder_ / plan::kTuningRecordName).string(); }

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
  int workers_ = 0;
  bool may_search_ = true;
  TuningVariants::Accept accept_ = nullptr;
  Measurement measure_ = &MeasureThroughput;
  bool is_disturbed_ = false;
  Tuned tuned_;
  plan::TuningKey key_ = {{"sha256", "ab"}};
  std::map<std::string, std::shared_ptr<model::Model>> models_;
  std::vector<std::string> made_;
  model::ModelInfo info_;
};

TEST_F(TuningTest, AVariantThatIsNotAcceptedIsLeftOutHoweverFast) {
  MeasureWithoutMeasuring();
  hows_["frozen"] = {microseconds(1000), microseconds(250)};
  accept_ = [this](model::Model& model) {
    return &model == models_["frozen"].get() ? absl::FailedPreconditionError("golden rows disagree") : absl::OkStatus();
  };
  EXPECT_EQ(Run(), models_["plain"]);
  EXPECT_THAT(Decisions(), HasSubstr("frozen (golden rows disagree)"));
  accept_ = nullptr;
  key_["sha256"] = "cd";
  EXPECT_EQ(Run(), models_["frozen"]);
}

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

TEST_F(TuningTest, AFirstPassDecidesNothingOnAnAccelerator) {
  for (const int workers : {0, 2}) {
    workers_ = workers;
    bool may_give_up = false;
    measure_ = [&](model::Model& model, std::span<const tensor::BoundInputs* const> requests, const Load& load) {
      may_give_up |= load.gives_up_below > 0;
      return static_cast<SleepyModel&>(model).ThroughputOf(static_cast<int64_t>(requests.size()), load);
    };
    fs::remove(RecordPath());
    Run();
    EXPECT_EQ(may_give_up, workers == 0) << workers;
  }
}

TEST_F(TuningTest, MoreRowsThanGainAreNotPutTogether) {
  config_.max_batch_size = 32;
  hows_["plain"] = {microseconds(0), microseconds(1000)};
  hows_["plain"].knee = 4;
  hows_["plain"].max_rows = 12;
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
  EXPECT_LE(static_cast<SleepyModel&>(*model).max_rows, 6) << "8 rows would take 0.54 s";
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
  EXPECT_EQ(info_.tuning->batch_rows, 4) << "nobody knows better, but 6 rows may take more than half a second";
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

TEST_F(TuningTest, OneRowAloneHasAWayOfItsOwnWhereThatIsSooner) {
  options_.tunes_threads = true;
  hows_["frozen"] = {microseconds(1000), microseconds(250)};
  MeasureWithoutMeasuring();
  EXPECT_EQ(Run(), models_["frozen"]);
  EXPECT_EQ(info_.tuning->intra_op_threads, 1);
  ASSERT_TRUE(info_.tuning->latency.has_value());
  EXPECT_EQ(info_.tuning->latency->variant, "frozen");
  EXPECT_EQ(info_.tuning->latency->intra_op_threads, 2);
  EXPECT_NEAR(info_.tuning->latency->throughput_seconds, 2 * info_.tuning->latency->seconds, 1e-4);
  EXPECT_EQ(tuned_.small, nullptr) << "the same variant needs no second copy";
  EXPECT_TRUE(info_.tuning->is_final);
  EXPECT_EQ(tuned_.refine, nullptr);
  EXPECT_THAT(Decisions(),
              AllOf(HasSubstr("16 of 16 ways judged, "), HasSubstr("alone: frozen, 2 intra-op threads: ")));
}

TEST_F(TuningTest, AnotherVariantForOneRowIsASecondModelWhichIsKeptToo) {
  hows_["frozen"] = {microseconds(3500), microseconds(100)};
  hows_["plain"] = {microseconds(2000), microseconds(1000)};
  MeasureWithoutMeasuring();
  EXPECT_EQ(Run(), models_["frozen"]);
  EXPECT_EQ(tuned_.small, models_["plain"]);
  EXPECT_EQ(tuned_.make_small, nullptr);
  ASSERT_TRUE(info_.tuning->latency.has_value());
  EXPECT_EQ(info_.tuning->latency->variant, "plain");
  EXPECT_FALSE(info_.tuning->is_kept);

  EXPECT_EQ(Run(), models_["frozen"]);
  EXPECT_TRUE(info_.tuning->is_kept);
  EXPECT_EQ(info_.tuning->latency->variant, "plain");
  EXPECT_EQ(tuned_.small, nullptr) << "a start does not wait for it";
  ASSERT_NE(tuned_.make_small, nullptr);
  QuietTurn turn;
  const model::IdleJob job = tuned_.make_small(info_);
  EXPECT_FALSE(job(turn));
  ASSERT_TRUE(turn.better.has_value());
  EXPECT_EQ(turn.better->model, models_["frozen"]);
  EXPECT_EQ(turn.better->small, models_["plain"]);
  EXPECT_TRUE(turn.better->info.tuning->is_kept);
}

TEST_F(TuningTest, WhatHasLostIsHeldByNobody) {
  hows_["frozen"] = {microseconds(1000), microseconds(250)};
  hows_["inference"] = {microseconds(3000), microseconds(1000)};
  MeasureWithoutMeasuring();
  for (const bool is_disturbed : {false, true}) {
    is_disturbed_ = is_disturbed;
    key_["run"] = is_disturbed ? "disturbed" : "quiet";
    Run();
    EXPECT_EQ(tuned_.refine == nullptr, !is_disturbed);
    const std::weak_ptr<model::Model> loser = models_["inference"];
    const std::weak_ptr<model::Model> plain = models_["plain"];
    models_.clear();
    EXPECT_TRUE(loser.expired());
    EXPECT_TRUE(plain.expired());
  }
}

TEST_F(TuningTest, WhatWasDisturbedIsUsedMarkedAndSoughtOnWhileIdleAndByALaterStart) {
  hows_["frozen"] = {microseconds(1000), microseconds(250)};
  MeasureWithoutMeasuring();
  is_disturbed_ = true;
  EXPECT_EQ(Run(), models_["frozen"]);
  EXPECT_FALSE(info_.tuning->is_final);
  EXPECT_THAT(Decisions(), HasSubstr("; not final, as other work took processors from it: the search goes on while"));
  Run();
  EXPECT_TRUE(info_.tuning->is_kept);
  EXPECT_FALSE(info_.tuning->is_final);
  ASSERT_NE(tuned_.refine, nullptr);
  is_disturbed_ = false;
  QuietTurn turn;
  const model::IdleJob job = tuned_.refine(info_);
  while (job(turn)) {
  }
  ASSERT_TRUE(turn.better.has_value());
  EXPECT_EQ(turn.better->model, models_["frozen"]);
  EXPECT_TRUE(turn.better->info.tuning->is_final);
  EXPECT_FALSE(turn.better->info.tuning->is_kept);
  Run();
  EXPECT_TRUE(info_.tuning->is_kept);
  EXPECT_TRUE(info_.tuning->is_final);
  EXPECT_EQ(tuned_.refine, nullptr);
}

TEST_F(TuningTest, WhatTheBudgetCutShortGoesOnWhileIdle) {
  hows_["frozen"] = {microseconds(1000), microseconds(250)};
  MeasureWithoutMeasuring();
  hows_["plain"] = {microseconds(20000), microseconds(0)};
  config_.optimize.budget_seconds = 0.001;
  int looks = 0;
  measure_ = [&, measure = measure_](model::Model& model, std::span<const tensor::BoundInputs* const> requests,
                                     const Load& load) {
    ++looks;
    config_.optimize.budget_seconds = 0.001;
    return measure(model, requests, load);
  };
  Run();
  if (!info_.tuning.has_value()) GTEST_SKIP() << "the machine took a millisecond for nothing";
  EXPECT_EQ(looks, 1) << "the next pass would take 20 ms";
  EXPECT_FALSE(info_.tuning->is_final);
  QuietTurn turn;
  const model::IdleJob job = tuned_.refine(info_);
  while (job(turn)) {
  }
  EXPECT_EQ(turn.better->model, models_["frozen"]);
  EXPECT_TRUE(turn.better->info.tuning->is_final);
}

TEST_F(TuningTest, WhatAnEarlierReleaseKeptIsUsedAndSoughtOn) {
  MeasureWithoutMeasuring();
  Run();
  std::string text;
  std::getline(std::ifstream(RecordPath()), text, '\0');
  const std::string final = "\"final\": true,";
  ASSERT_NE(text.find(final), std::string::npos) << text;
  std::ofstream(RecordPath()) << text.erase(text.find(final), final.size());
  Run();
  EXPECT_TRUE(info_.tuning->is_kept);
  EXPECT_NE(tuned_.refine, nullptr);
  may_search_ = false;
  Run();
  EXPECT_TRUE(info_.tuning->is_kept);
  EXPECT_EQ(tuned_.refine, nullptr) << "requests wait";
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
