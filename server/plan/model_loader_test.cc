// Two runtimes side by side: which of them gets a version, and what happens to a version that none takes.
#include "server/plan/model_loader.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "server/base/status.h"
#include "server/checkpoint/test_files.h"

namespace torchferry::plan {
namespace {

namespace fs = std::filesystem;
using checkpoint::FileFormat;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Loads nothing, and remembers what it was asked to.
class FakeLoader final : public ModelLoader {
 public:
  explicit FakeLoader(std::vector<FileFormat> formats) : formats_(std::move(formats)) {}

  std::span<const FileFormat> formats() const override { return formats_; }

  absl::StatusOr<model::LoadedModel> Load(const LoadRequest& request, PlannedFiles version) const override {
    loaded.push_back(fmt::format("{}/{}: {} as {}", request.model, request.version, version.files.model->name(),
                                 Name(version.planned.plan.format)));
    model::LoadedModel model;
    model.info.decisions = version.planned.plan.decisions;
    return model;
  }

  mutable std::vector<std::string> loaded;

 private:
  const std::vector<FileFormat> formats_;
};

class ModelLoaderTest : public ::testing::Test {
 protected:
  ModelLoaderTest() {
    request_.store = store_.string();
    request_.model = "m";
    request_.version = 1;
    request_.host.devices = {tensor::DeviceId::Cpu()};
    request_.host.device_types = {"cpu"};
    fs::create_directories(store_ / "m" / "1");
    std::ofstream(store_ / "m" / "forward.py") << "def forward(self, x):\n    return x\n";
  }
  ~ModelLoaderTest() override { fs::remove_all(store_); }

  void Put(const std::string& fixture) {
    fs::copy_file(checkpoint::testing::FixturePath(fixture), store_ / "m" / "1" / "model.pt");
  }

  absl::StatusOr<LoadedVersion> Load() const { return LoadVersion(request_, loaders_); }

  const fs::path store_ =
      fs::path(::testing::TempDir()) / ::testing::UnitTest::GetInstance()->current_test_info()->name();
  LoadRequest request_;
  const FakeLoader zip_{{FileFormat::kTorchScript, FileFormat::kZipCheckpoint}};
  const FakeLoader legacy_{{FileFormat::kLegacyCheckpoint}};
  const std::vector<const ModelLoader*> loaders_ = {&zip_, &legacy_};
};

TEST_F(ModelLoaderTest, TheFormatOfThePlanChoosesTheRuntime) {
  Put("cuda_tags.pt");
  const auto loaded = Load();
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_THAT(zip_.loaded, ElementsAre("m/1: m/1/model.pt as state_dict"));
  EXPECT_THAT(legacy_.loaded, IsEmpty());
  EXPECT_THAT(loaded->model.info.decisions, ::testing::Contains(HasSubstr("device cpu")));
}

TEST_F(ModelLoaderTest, ASecondRuntimeTakesItsOwnFormat) {
  Put("legacy.pt");
  ASSERT_TRUE(Load().ok());
  EXPECT_THAT(zip_.loaded, IsEmpty());
  EXPECT_THAT(legacy_.loaded, ElementsAre("m/1: m/1/model.pt as legacy state_dict"));
}

TEST_F(ModelLoaderTest, AFormatThatNoRuntimeTakesIsNamedWithThoseThatAreTaken) {
  Put("module.safetensors");
  const absl::Status status = Load().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(base::MessageOf(status),
            "m/1/model.pt: this server has no runtime for the format \"safetensors\"; it loads: torchscript, "
            "state_dict, legacy state_dict. Save the model in one of these formats");
}

TEST_F(ModelLoaderTest, WhatCannotBePlannedReachesNoRuntime) {
  EXPECT_EQ(Load().status().code(), absl::StatusCode::kNotFound);
  std::ofstream(store_ / "m" / "1" / "model.pt") << "no model";
  EXPECT_FALSE(Load().ok());
  EXPECT_THAT(zip_.loaded, IsEmpty());
  EXPECT_THAT(legacy_.loaded, IsEmpty());
}

}  // namespace
}  // namespace torchferry::plan
