// A search that goes on while the server is idle: what counts, what does not, and when it gives up.
#include "server/torch/load/tuning_refinement.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>
#include <vector>

#include "server/base/test_clock.h"
#include "server/torch/load/test_sleepy_model.h"
#include "server/torch/load/tuning_turn.h"
#include "server/torch/run/trial_run.h"

namespace torchferry::libtorch {
namespace {

namespace fs = std::filesystem;
using std::chrono::microseconds;

class Turn final : public model::IdleTurn {
 public:
  bool IsQuiet() const override { return is_quiet; }
  void Replace(model::PlacedModel placed) override { better = std::move(placed); }
  bool is_quiet = true;
  std::optional<model::PlacedModel> better;
};

class TuningRefinementTest : public ::testing::Test {
 protected:
  TuningRefinementTest() { fs::create_directories(folder_); }
  ~TuningRefinementTest() override { fs::remove_all(folder_); }

  model::IdleJob MakeJob() {
    config_.max_batch_size = 4;
    const auto make = [this](const std::string& variant) -> std::shared_ptr<model::Model> {
      if (variant == raises_) throw std::runtime_error("cannot be made");
      const microseconds row(variant == "frozen" ? 100 : 200);
      auto model = std::make_shared<SleepyModel>(config_, SleepyModel::How{.batch = microseconds(300), .row = row});
      made_.push_back(model);
      return model;
    };
    const auto plain = make("plain");
    TuningVariants variants(make, plain, {*MadeUpInputs(plain->signature())}, 1e-3);
    TunerOptions options{.processors = 2, .workers = 0};
    options.measure = [this](model::Model& model, std::span<const tensor::BoundInputs* const> requests,
                             const Load& load) {
      ++looks_;
      Throughput found = static_cast<SleepyModel&>(model).ThroughputOf(static_cast<int64_t>(requests.size()), load);
      found.is_disturbed = is_disturbed_;
      return found;
    };
    plan::TuningSpace space{{"plain", "frozen"}, {1, 2}, {1, 2, 3, 4}, true};
    model::ModelInfo info;
    info.tuning.emplace().variant = "plain";
    return MakeRefinementJob({.tuner = std::make_unique<Tuner>(options, space, std::move(variants)),
                              .model_name = "m",
                              .record_path = path_,
                              .key = key_,
                              .is_stopping = [this] { return is_stopping_; },
                              .clock = &clock_},
                             std::move(info));
  }

  // Models that have been made and are not gone.
  size_t Held() const {
    return static_cast<size_t>(std::ranges::count_if(made_, [](const auto& model) { return !model.expired(); }));
  }

  // As often as that, or until it has ended. False: it has ended.
  bool Run(const model::IdleJob& job, int pieces) {
    for (int i = 0; i < pieces; ++i) {
      if (!job(turn_)) return false;
      clock_.Advance(std::chrono::minutes(1));
    }
    return true;
  }

  const fs::path folder_ =
      fs::path(::testing::TempDir()) / ::testing::UnitTest::GetInstance()->current_test_info()->name();
  const std::string path_ = (folder_ / plan::kTuningRecordName).string();
  const plan::TuningKey key_ = {{"sha256", "ab"}};
  config::ModelConfig config_;
  base::FakeClock clock_;
  Turn turn_;
  std::vector<std::weak_ptr<model::Model>> made_;
  int looks_ = 0;
  bool is_disturbed_ = false;
  bool is_stopping_ = false;
  std::string raises_;
};

TEST_F(TuningRefinementTest, EndsWithTheBetterWayWhichIsKeptAndPutIntoService) {
  const model::IdleJob job = MakeJob();
  EXPECT_FALSE(Run(job, 1000));
  ASSERT_TRUE(turn_.better.has_value());
  EXPECT_EQ(turn_.better->info.tuning->variant, "frozen");
  EXPECT_TRUE(turn_.better->info.tuning->is_final);
  EXPECT_EQ(turn_.better->info.tuning->latency->intra_op_threads, 2);
  const auto kept = plan::ReadTuningRecord(path_, key_);
  ASSERT_TRUE(kept.has_value());
  EXPECT_TRUE(kept->is_final);
  EXPECT_EQ(kept->best.variant, "frozen");
  EXPECT_FALSE(job(turn_)) << "it has ended";
}

TEST_F(TuningRefinementTest, APieceIsOneLook) {
  const model::IdleJob job = MakeJob();
  for (int piece = 1; piece < 5; ++piece) {
    ASSERT_TRUE(job(turn_));
    EXPECT_EQ(looks_, piece);
  }
}

TEST_F(TuningRefinementTest, ALookBesideRequestsDoesNotCount) {
  const model::IdleJob job = MakeJob();
  turn_.is_quiet = false;
  EXPECT_TRUE(Run(job, 1000)) << "for ever, as long as nothing is quiet";
  EXPECT_FALSE(fs::exists(path_));
  turn_.is_quiet = true;
  EXPECT_FALSE(Run(job, 1000));
  EXPECT_TRUE(turn_.better.has_value());
}

TEST_F(TuningRefinementTest, AfterADisturbedLookItWaitsEverLonger) {
  const model::IdleJob job = MakeJob();
  is_disturbed_ = true;
  ASSERT_TRUE(job(turn_));
  ASSERT_TRUE(job(turn_));
  EXPECT_EQ(looks_, 1);
  clock_.Advance(std::chrono::milliseconds(100));
  ASSERT_TRUE(job(turn_));
  clock_.Advance(std::chrono::milliseconds(100));
  ASSERT_TRUE(job(turn_));
  EXPECT_EQ(looks_, 2);
  clock_.Advance(std::chrono::milliseconds(100));
  ASSERT_TRUE(job(turn_));
  EXPECT_EQ(looks_, 3);
}

TEST_F(TuningRefinementTest, HoldsOneVariantBesideThoseThatServeAndNoneWhileItWaits) {
  const model::IdleJob job = MakeJob();
  size_t most = 0;
  for (int piece = 0; piece < 20 && job(turn_); ++piece) most = std::max(most, Held());
  EXPECT_EQ(most, 2U) << "plain serves";
  is_disturbed_ = true;
  Run(job, 10);
  EXPECT_EQ(Held(), 1U);
}

TEST_F(TuningRefinementTest, WhereOthersTakeTheProcessorsAllTheTimeItGivesUp) {
  const model::IdleJob job = MakeJob();
  is_disturbed_ = true;
  EXPECT_FALSE(Run(job, 1000));
  EXPECT_LE(looks_, 100);
  EXPECT_FALSE(turn_.better.has_value());
  EXPECT_FALSE(fs::exists(path_));
}

TEST_F(TuningRefinementTest, WhileAnotherSearchHasTheTurnItDoesNothing) {
  const model::IdleJob job = MakeJob();
  {
    const TuningTurn other = TryTuningTurn();
    ASSERT_TRUE(other.owns_lock());
    std::thread([&] { EXPECT_TRUE(job(turn_)); }).join();
    EXPECT_EQ(looks_, 0);
  }
  EXPECT_TRUE(job(turn_));
  EXPECT_EQ(looks_, 1);
}

TEST_F(TuningRefinementTest, TheServersEndEndsIt) {
  const model::IdleJob job = MakeJob();
  EXPECT_TRUE(job(turn_));
  is_stopping_ = true;
  EXPECT_FALSE(job(turn_));
  EXPECT_FALSE(turn_.better.has_value());
}

TEST_F(TuningRefinementTest, AVariantThatCannotBeMadeIsLeftOut) {
  raises_ = "frozen";
  const model::IdleJob job = MakeJob();
  EXPECT_FALSE(Run(job, 1000));
  EXPECT_EQ(turn_.better->info.tuning->variant, "plain");
}

}  // namespace
}  // namespace torchferry::libtorch
