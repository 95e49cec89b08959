// A version's idle jobs end with it, and what they find better takes the place of what was loaded while requests run.
#include "server/serving/idle_jobs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <latch>
#include <thread>

#include "server/serving/test_requests.h"

namespace torchferry::serving {
namespace {

using ::testing::ElementsAre;

bool Quiet() { return true; }

void Ignore(model::PlacedModel) {}

TEST(IdleJobsTest, PiecesRunInTheOrderOfTheJobsAndAJobEndsWithItsLastPiece) {
  std::vector<std::string> ran;
  const auto held = std::make_shared<int>();
  const std::weak_ptr<int> weak = held;
  int left = 2;
  std::vector<model::IdleJob> jobs;
  jobs.emplace_back([&ran, &left, held = held](model::IdleTurn&) {
    ran.push_back("first");
    return --left > 0;
  });
  jobs.emplace_back([&](model::IdleTurn&) {
    ran.push_back(weak.use_count() == 1 ? "second, the first is gone" : "second");
    return false;
  });
  IdleJobs idle(std::move(jobs), Ignore);
  EXPECT_TRUE(idle.RunPiece(Quiet));
  EXPECT_EQ(idle.done(), 0);
  EXPECT_TRUE(idle.RunPiece(Quiet));
  EXPECT_EQ(idle.done(), 1);
  EXPECT_FALSE(idle.RunPiece(Quiet));
  EXPECT_FALSE(idle.RunPiece(Quiet));
  EXPECT_THAT(ran, ElementsAre("first", "first", "second, the first is gone"));
}

TEST(IdleJobsTest, AClosedVersionKeepsNothingAndItsPieceUnderWayIsToldAndAwaited) {
  std::latch runs(1);
  std::latch go(1);
  bool was_quiet = true;
  bool has_replaced = false;
  const auto held = std::make_shared<int>();
  const std::weak_ptr<int> weak = held;
  std::vector<model::IdleJob> jobs;
  jobs.emplace_back([&, held = held](model::IdleTurn& turn) {
    runs.count_down();
    go.wait();
    was_quiet = turn.IsQuiet();
    turn.Replace({});
    return true;
  });
  jobs.emplace_back([](model::IdleTurn&) -> bool { throw std::logic_error("begun after Close"); });
  IdleJobs idle(std::move(jobs), [&](model::PlacedModel) { has_replaced = true; });
  std::thread thread([&] { EXPECT_FALSE(idle.RunPiece(Quiet)); });
  runs.wait();
  idle.Close();
  EXPECT_FALSE(idle.HasEnded(base::Clock::Real().Now()));
  go.count_down();
  EXPECT_TRUE(idle.HasEnded(base::kNoDeadline));
  EXPECT_EQ(weak.use_count(), 1) << "the test's own";
  thread.join();
  EXPECT_FALSE(was_quiet);
  EXPECT_FALSE(has_replaced);
  EXPECT_FALSE(idle.RunPiece(Quiet));
}

TEST(IdleJobsTest, WhatTheServerSaysOfQuietReachesTheJob) {
  std::vector<bool> said;
  std::vector<model::IdleJob> jobs;
  jobs.emplace_back([&](model::IdleTurn& turn) {
    said.push_back(turn.IsQuiet());
    return true;
  });
  IdleJobs idle(std::move(jobs), Ignore);
  idle.RunPiece([] { return true; });
  idle.RunPiece([] { return false; });
  EXPECT_THAT(said, ElementsAre(true, false));
}

// Multiplies "x".
class FactorModel : public model::Model {
 public:
  explicit FactorModel(float factor, std::atomic<int>* alive = nullptr) : factor_(factor), alive_(alive) {
    if (alive_ != nullptr) ++*alive_;
  }
  ~FactorModel() override {
    if (alive_ != nullptr) --*alive_;
  }

  const tensor::Signature& signature() const override { return signature_; }
  const tensor::DeviceId& device() const override { return device_; }
  absl::StatusOr<std::vector<model::Outputs>> Predict(std::span<const tensor::BoundInputs* const> requests,
                                                      model::PhaseTimes&) override {
    if (before_predict) before_predict();
    sizes.push_back(requests.size());
    std::vector<model::Outputs> all;
    for (const tensor::BoundInputs* request : requests) {
      std::vector<float> values = ValuesOf(request->values[0][0]);
      for (float& value : values) value *= factor_;
      all.push_back({{"y", TensorOf(std::move(values))}});
    }
    return all;
  }

  std::function<void()> before_predict;
  std::vector<size_t> sizes;  // of its batches

 private:
  const float factor_;
  std::atomic<int>* const alive_;
  const tensor::Signature signature_ = SignatureOfX(8);
  const tensor::DeviceId device_ = tensor::DeviceId::Cpu();
};

class ReplaceTest : public ::testing::Test {
 protected:
  // `jobs` are the version's; after a replacement batches have `rows` at most.
  void Make(std::shared_ptr<model::Model> model, std::vector<model::IdleJob> jobs, int64_t rows = 8) {
    model::LoadedModel loaded{std::move(model), {}};
    loaded.idle_jobs = std::move(jobs);
    Servable::Options options;
    options.name = "m";
    options.version = 1;
    options.batching.max_rows = 1;
    options.rebatch = [rows](const model::ModelInfo&) {
      batching::BatchOptions batching;
      batching.max_rows = rows;
      return batching;
    };
    servable_ = std::make_unique<Servable>(options, std::move(loaded), scheduler_, metrics_.ForModel("m", 1),
                                           base::Clock::Real(), health_);
  }

  float Ask(float x) { return Values(Submit(*servable_, {x}).get()).at(0); }

  metrics::Metrics metrics_;
  const std::shared_ptr<DeviceHealth> health_ = std::make_shared<DeviceHealth>(metrics_, base::Clock::Real());
  batching::Scheduler scheduler_{{.workers = 1}, base::Clock::Real()};
  std::unique_ptr<Servable> servable_;
};

model::IdleJob ReplaceBy(std::shared_ptr<model::Model> better, std::string variant = "") {
  return [better = std::move(better), variant](model::IdleTurn& turn) {
    model::PlacedModel placed{better, {}};
    placed.info.tuning.emplace();
    placed.info.tuning->variant = variant;
    turn.Replace(std::move(placed));
    return false;
  };
}

TEST_F(ReplaceTest, TheBatchUnderWayEndsOnTheOldModelWhatWaitsRunsOnTheNewOneAndNothingIsLost) {
  std::latch runs(1);
  std::latch go(1);
  std::atomic<int> alive = 0;
  auto old = std::make_shared<FactorModel>(2, &alive);
  old->before_predict = [&] {
    runs.count_down();
    go.wait();
  };
  const auto better = std::make_shared<FactorModel>(3);
  std::vector<model::IdleJob> jobs;
  jobs.push_back(ReplaceBy(better, "frozen"));
  Make(std::move(old), std::move(jobs));
  std::future<Result> first = Submit(*servable_, {1});
  runs.wait();
  std::vector<std::future<Result>> waiting;
  for (float x = 1; x <= 4; ++x) waiting.push_back(Submit(*servable_, {x}));
  servable_->idle_jobs()->RunPiece(Quiet);
  EXPECT_EQ(servable_->placement().info.tuning->variant, "frozen");
  go.count_down();
  EXPECT_THAT(Values(first.get()), ElementsAre(2));
  for (float x = 1; x <= 4; ++x) EXPECT_THAT(Values(waiting[static_cast<size_t>(x) - 1].get()), ElementsAre(3 * x));
  EXPECT_THAT(better->sizes, ElementsAre(4)) << "rows of a batch as the new options say";
  servable_.reset();
  EXPECT_EQ(alive, 0);
}

TEST_F(ReplaceTest, RequestsThatRunAllTheWhileAreAllAnsweredByOneOfTheTwo) {
  std::vector<model::IdleJob> jobs;
  constexpr int kReplacements = 50;
  for (int i = 0; i < kReplacements; ++i)
    jobs.push_back(ReplaceBy(std::make_shared<FactorModel>(i % 2 == 0 ? 3.0F : 2.0F)));
  Make(std::make_shared<FactorModel>(2), std::move(jobs), /*rows=*/4);
  std::atomic<bool> is_over = false;
  std::vector<std::thread> clients;
  for (int i = 0; i < 3; ++i) {
    clients.emplace_back([&] {
      while (!is_over) {
        const float y = Ask(1);
        EXPECT_TRUE(y == 2 || y == 3) << y;
      }
    });
  }
  while (servable_->idle_jobs()->RunPiece(Quiet)) Ask(1);
  is_over = true;
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(servable_->idle_jobs()->done(), kReplacements);
  EXPECT_EQ(Ask(1), 2) << "the last one";
}

TEST_F(ReplaceTest, AModelOnAnotherDeviceReplacesNothing) {
  class Elsewhere final : public FactorModel {
   public:
    Elsewhere() : FactorModel(3) {}
    const tensor::DeviceId& device() const override { return elsewhere_; }

   private:
    const tensor::DeviceId elsewhere_{"sim", 0};
  };
  std::vector<model::IdleJob> jobs;
  jobs.push_back(ReplaceBy(std::make_shared<Elsewhere>()));
  Make(std::make_shared<FactorModel>(2), std::move(jobs));
  servable_->idle_jobs()->RunPiece(Quiet);
  EXPECT_EQ(Ask(1), 2);
}

TEST_F(ReplaceTest, AVersionThatEndsWaitsForThePieceUnderWay) {
  std::latch runs(1);
  std::latch go(1);
  std::atomic<int> alive = 0;
  std::vector<model::IdleJob> jobs;
  jobs.emplace_back([&, better = std::make_shared<FactorModel>(3, &alive)](model::IdleTurn& turn) {
    runs.count_down();
    go.wait();
    turn.Replace({better, {}});
    return true;
  });
  Make(std::make_shared<FactorModel>(2, &alive), std::move(jobs));
  const std::shared_ptr<IdleJobs> idle = servable_->idle_jobs();
  std::thread thread([&] { idle->RunPiece(Quiet); });
  runs.wait();
  servable_->BeginClose();
  EXPECT_FALSE(servable_->HasEnded(base::Clock::Real().Now()));
  EXPECT_FALSE(servable_->is_stuck());
  idle->SetStuck(true);
  EXPECT_TRUE(servable_->is_stuck());
  go.count_down();
  EXPECT_TRUE(servable_->HasEnded(base::kNoDeadline));
  EXPECT_FALSE(servable_->is_stuck());
  servable_.reset();
  EXPECT_EQ(alive, 0) << "the thread's handle keeps nothing";
  thread.join();
}

}  // namespace
}  // namespace torchferry::serving
