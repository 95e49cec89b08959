#include "server/torch/load/warm_up.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "server/base/status.h"

namespace torchferry::libtorch {
namespace {

using ::testing::AllOf;
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
    if (!answer.ok()) return answer;
    return std::vector<model::Outputs>(1);
  }

  std::vector<Floats> asked;
  std::vector<int64_t> rows;
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
  absl::Status Run(const config::ModelConfig& config) { return RunWarmUps(model_, config, folder_.string(), info_); }

  std::filesystem::path folder_;
  RecordingModel model_;
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
  RecordingModel stateful(true);
  EXPECT_TRUE(RunWarmUps(stateful, Config(config::WarmUpInput::Data::kZero), folder_.string(), info_).ok());
  EXPECT_THAT(stateful.asked, IsEmpty());
  EXPECT_EQ(stateful.clone->asked.size(), 2u);
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

}  // namespace
}  // namespace torchferry::libtorch
