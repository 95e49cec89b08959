#include "server/torch/load/warm_up.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include "server/base/clock.h"
#include "server/base/status.h"
#include "server/model/device_fault.h"

namespace torchferry::libtorch {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Le;

using Floats = std::vector<float>;

// Takes x, FP32 [rows, 2], and keeps what it was asked.
class RecordingModel : public model::Model {
 public:
  explicit RecordingModel(bool stateful = false) : stateful_(stateful) {}

  const tensor::Signature& signature() const override { return signature_; }
  const tensor::DeviceId& device() const override { return device_; }
  bool is_stateful() const override { return stateful_; }
  absl::StatusOr<std::shared_ptr<model::Model>> Clone() const override {
    clone = std::make_shared<RecordingModel>(true);
    return std::shared_ptr<model::Model>(clone);
  }
  absl::StatusOr<std::vector<model::Outputs>> Predict(std::span<const tensor::BoundInputs* const> requests,
                                                      model::PhaseTimes&) override {
    const tensor::HostTensor& x = requests[0]->values.at(0).at(0);
    Floats values(x.bytes.size() / sizeof(float));
    std::memcpy(values.data(), x.bytes.data(), x.bytes.size());
    asked.push_back(values);
    rows.push_back(requests[0]->rows);
    batches.push_back(requests.size());
    if (on_predict) on_predict();
    if (!answer.ok()) return answer;
    return std::vector<model::Outputs>(1);
  }

  std::vector<Floats> asked;
  std::vector<int64_t> rows;
  std::vector<size_t> batches;  // requests of each
  std::function<void()> on_predict;
  absl::Status answer;
  mutable std::shared_ptr<RecordingModel> clone;

 private:
  const bool stateful_;
  const tensor::DeviceId device_;
  const tensor::Signature signature_{
      {{"x", tensor::ArgumentKind::kTensor, tensor::DType::kFp32, tensor::Shape{tensor::kAnyDim, 2}, false}}, {}, 8};
};

class WarmUpTest : public ::testing::Test {
 protected:
  WarmUpTest() {
    folder_ = std::filesystem::path(::testing::TempDir()) /
              (std::string("torchferry_warm_up_") + ::testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directories(folder_ / "warmup");
  }
  ~WarmUpTest() override { std::filesystem::remove_all(folder_); }

  static config::ModelConfig Config(config::WarmUpInput::Data data, std::string file = "") {
    config::ModelConfig config;
    config.name = "m";
    config.max_batch_size = 8;
    config.warm_ups.push_back({"w", 3, 2, {{"x", tensor::DType::kFp32, {2}, data, std::move(file)}}});
    return config;
  }
  void Write(const std::string& file, const Floats& values) const {
    std::ofstream(folder_ / "warmup" / file, std::ios::binary)
        .write(reinterpret_cast<const char*>(values.data()),
               static_cast<std::streamsize>(values.size() * sizeof(float)));
  }
  absl::Status Run(const config::ModelConfig& config) {
    const std::shared_ptr<model::Model> model = owner_;
    const base::StoreFolder folder = folder_.string();
    absl::StatusOr<model::IdleJob> later = RunWarmUps({model, config, folder}, info_);
    later_ = later.ok() ? *later : nullptr;
    return later.status();
  }
  // Pieces of what is left, each in turn.
  void RunLater() {
    Turn turn;
    while (later_ != nullptr && later_(turn)) {
    }
  }

  struct Turn final : model::IdleTurn {
    bool IsQuiet() const override { return true; }
    void Replace(model::PlacedModel) override { FAIL() << "nothing better was found"; }
  };

  std::filesystem::path folder_;
  const std::shared_ptr<RecordingModel> owner_ = std::make_shared<RecordingModel>();
  RecordingModel& model_ = *owner_;
  model::IdleJob later_;
  model::ModelInfo info_;
};

TEST_F(WarmUpTest, RunsEachRequestAsOftenAsItSaysWithAllItsRows) {
  EXPECT_TRUE(Run(Config(config::WarmUpInput::Data::kZero)).ok());
  EXPECT_THAT(model_.asked, ElementsAre(Floats(6), Floats(6)));
  EXPECT_THAT(model_.rows, ElementsAre(3, 3));
  EXPECT_THAT(info_.decisions, ElementsAre("warmed up with 2 runs of model_warmup \"w\""));
}

TEST_F(WarmUpTest, RandomNumbersAreFromZeroToOne) {
  EXPECT_TRUE(Run(Config(config::WarmUpInput::Data::kRandom)).ok());
  ASSERT_EQ(model_.asked.size(), 2u);
  EXPECT_THAT(model_.asked[0], Each(AllOf(Ge(0), Le(1))));
  EXPECT_NE(model_.asked[0][0], model_.asked[0][1]);
}

TEST_F(WarmUpTest, AFileHoldsOneRow) {
  Write("x.bin", {3, 4});
  EXPECT_TRUE(Run(Config(config::WarmUpInput::Data::kFile, "x.bin")).ok());
  EXPECT_THAT(model_.asked[0], ElementsAre(3, 4, 3, 4, 3, 4));
}

TEST_F(WarmUpTest, AFileThatIsMissingOrOfAnotherSizeIsNamed) {
  const absl::Status missing = Run(Config(config::WarmUpInput::Data::kFile, "x.bin"));
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(base::MessageOf(missing), AllOf(HasSubstr("model_warmup \"w\""), HasSubstr("m/warmup/x.bin")));
  Write("x.bin", {1, 2, 3});
  const absl::Status longer = Run(Config(config::WarmUpInput::Data::kFile, "x.bin"));
  EXPECT_EQ(longer.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(base::MessageOf(longer), HasSubstr("m/warmup/x.bin has 12 bytes; expected 8, one row of FP32 [2]"));
}

TEST_F(WarmUpTest, ARequestThatDoesNotFitTheModelIsAnError) {
  config::ModelConfig config = Config(config::WarmUpInput::Data::kZero);
  config.warm_ups[0].inputs[0].name = "z";
  const absl::Status status = Run(config);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(base::MessageOf(status), AllOf(HasSubstr("model_warmup \"w\""), HasSubstr("input \"x\" is missing")));
}

TEST_F(WarmUpTest, WhatTheModelRaisesIsAnErrorAndWhatTheDeviceDoesKeepsItsCode) {
  model_.answer = absl::InternalError("no such row");
  const absl::Status raised = Run(Config(config::WarmUpInput::Data::kZero));
  EXPECT_EQ(raised.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(base::MessageOf(raised), HasSubstr("model_warmup \"w\": no such row"));
  for (const absl::StatusCode code : {absl::StatusCode::kResourceExhausted, absl::StatusCode::kUnavailable}) {
    model_.answer = absl::Status(code, "the device");
    EXPECT_EQ(Run(Config(config::WarmUpInput::Data::kZero)).code(), code);
    EXPECT_EQ(Run(config::ModelConfig{}).code(), code);
  }
}

TEST_F(WarmUpTest, AModelWithStateRunsOnACopy) {
  const auto stateful = std::make_shared<RecordingModel>(true);
  const std::shared_ptr<model::Model> model = stateful;
  const config::ModelConfig config = Config(config::WarmUpInput::Data::kZero);
  const base::StoreFolder folder = folder_.string();
  EXPECT_EQ(RunWarmUps({model, config, folder}, info_).value(), nullptr);
  EXPECT_THAT(stateful->asked, IsEmpty());
  EXPECT_EQ(stateful->clone->asked.size(), 2u);
}

TEST_F(WarmUpTest, WithoutModelWarmupAMadeUpRowRunsTwice) {
  EXPECT_TRUE(Run(config::ModelConfig{}).ok());
  EXPECT_THAT(model_.rows, ElementsAre(1, 1));
  EXPECT_EQ(model_.asked[0], model_.asked[1]);
}

TEST_F(WarmUpTest, AMadeUpRowThatTheModelRefusesIsNoError) {
  model_.answer = absl::InternalError("no such row");
  EXPECT_TRUE(Run(config::ModelConfig{}).ok());
  EXPECT_THAT(info_.warnings, ElementsAre(AllOf(HasSubstr("x FP32 [1, 2]"), HasSubstr("no such row"))));
}

// More than all batches may take before a version serves.
void TakeLong() {
  const base::TimePoint began = base::Clock::Real().Now();
  while (base::Clock::Real().Now() - began < std::chrono::milliseconds(31)) std::this_thread::yield();
}

config::ModelConfig Batched() {
  config::ModelConfig config;
  config.name = "m";
  config.max_batch_size = 8;
  config.dynamic_batching.emplace();
  return config;
}

model::TuningInfo TunedTo(int64_t rows) {
  model::TuningInfo tuning;
  tuning.batch_rows = rows;
  return tuning;
}

TEST_F(WarmUpTest, BatchesOfATunedVersionThatTakeLongRunLaterOneAPieceUpToItsRows) {
  info_.tuning = TunedTo(6);
  model_.on_predict = TakeLong;
  EXPECT_TRUE(Run(Batched()).ok());
  EXPECT_THAT(model_.batches, ElementsAre(1, 1, 1)) << "a generated row twice, then a batch, which was not quick";
  EXPECT_THAT(info_.decisions, Contains("warms up with batches of up to 6 rows while the server is idle"));
  ASSERT_NE(later_, nullptr);
  model_.batches.clear();
  model_.on_predict = nullptr;
  Turn turn;
  EXPECT_TRUE(later_(turn));
  EXPECT_THAT(model_.batches, ElementsAre(2));
  RunLater();
  EXPECT_THAT(model_.batches, ElementsAre(2, 3, 4, 6));
}

TEST_F(WarmUpTest, ASizeThatDoesNotRunLaterIsTheLast) {
  info_.tuning = TunedTo(8);
  model_.on_predict = TakeLong;
  EXPECT_TRUE(Run(Batched()).ok());
  model_.batches.clear();
  model_.answer = absl::InternalError("too many rows");
  Turn turn;
  EXPECT_FALSE(later_(turn));
  EXPECT_THAT(model_.batches, ElementsAre(2));
}

TEST_F(WarmUpTest, TheTimeOfARowAndTheMemoryOfARunAreKept) {
  constexpr int64_t kMiB = int64_t{1} << 20;
  model_.on_predict = [this] {
    torch::empty({static_cast<int64_t>(model_.batches.back()) * kMiB}, at::kByte);
    if (model_.batches.size() == 2) TakeLong();
  };
  info_.tuning = TunedTo(1);
  EXPECT_TRUE(Run(Batched()).ok());
  EXPECT_THAT(model_.batches, ElementsAre(1, 1, 1));
  EXPECT_GT(info_.row_seconds, 0);
  EXPECT_GE(info_.pass_memory->bytes, kMiB);
  EXPECT_LT(info_.pass_memory->bytes, 2 * kMiB);
  EXPECT_EQ(info_.pass_memory->rows, 1);
}

TEST_F(WarmUpTest, OfAVersionThatIsNotTunedNothingIsLeft) {
  model_.on_predict = TakeLong;
  EXPECT_TRUE(Run(Batched()).ok());
  EXPECT_EQ(later_, nullptr);
}

TEST_F(WarmUpTest, SmallBatchesRunLaterWithEachNumberOfRowsTwice) {
  const std::shared_ptr<model::Model> small = owner_;
  const base::StoreFolder folder = folder_.string();
  const config::ModelConfig config = Batched();
  model::LatencyInfo latency;
  latency.max_rows = 2;
  later_ = WarmUpAtLatency({small, config, folder}, latency).value();
  EXPECT_THAT(model_.batches, IsEmpty());
  RunLater();
  EXPECT_THAT(model_.batches, ElementsAre(1, 1, 2, 2));
}

TEST_F(WarmUpTest, ALostDeviceEndsWhatIsLeft) {
  const std::shared_ptr<model::Model> small = owner_;
  const base::StoreFolder folder = folder_.string();
  const config::ModelConfig config = Batched();
  later_ = WarmUpAtLatency({small, config, folder}, {}).value();
  model_.answer = model::DeviceFaultStatus(model::DeviceFault::kLost, "SIM error: gone");
  RunLater();
  EXPECT_THAT(model_.batches, ElementsAre(1));
}

TEST_F(WarmUpTest, AMadeUpRowOnWhichAKeptResultWasComparedRunsNotAgain) {
  info_.tuning = TunedTo(1);
  info_.tuning->is_kept = true;
  config::ModelConfig config = Batched();
  config.dynamic_batching.reset();
  EXPECT_TRUE(Run(config).ok());
  EXPECT_THAT(model_.batches, IsEmpty());
  EXPECT_TRUE(Run(Config(config::WarmUpInput::Data::kZero)).ok());
  EXPECT_THAT(model_.batches, ElementsAre(1, 1)) << "what model_warmup asks for does";
}

}  // namespace
}  // namespace torchferry::libtorch
