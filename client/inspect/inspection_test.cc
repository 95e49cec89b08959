#include "client/inspect/inspection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "client/inspect/inspection_json.h"
#include "client/inspect/inspection_text.h"
#include "server/base/status.h"

namespace torchferry::client {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::string Source(const std::string& path) {
  const char* source = std::getenv("TORCHFERRY_SOURCE_DIR");
  return std::string(source == nullptr ? "." : source) + "/" + path;
}

absl::StatusOr<Inspection> InspectFixture(const std::string& name, const InspectOptions& options = {}) {
  return Inspect(Source("server/checkpoint/testdata/" + name), options, nullptr);
}

TEST(InspectionTest, CountsWhatIsSharedOnce) {
  const auto tied = InspectFixture("tied.pt");
  ASSERT_TRUE(tied.ok()) << tied.status();
  ASSERT_FALSE(tied->tied.empty());
  uint64_t apart = 0;
  for (const InspectedTensor& tensor : tied->tensors) apart += tensor.bytes;
  EXPECT_LT(tied->tensor_bytes, apart);
  EXPECT_EQ(tied->missing.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_FALSE(tied->has_config);
}

TEST(InspectionTest, TheProgressEndsAtTheFilesSize) {
  uint64_t last = 0;
  uint64_t all = 0;
  const auto inspection =
      Inspect(Source("server/checkpoint/testdata/module.pt"), {}, [&](uint64_t done, uint64_t size) {
        EXPECT_GT(done, last);
        last = done;
        all = size;
      });
  ASSERT_TRUE(inspection.ok());
  EXPECT_EQ(last, inspection->file_bytes);
  EXPECT_EQ(all, inspection->file_bytes);
}

TEST(InspectionTest, TheConfigurationAndArchitectureOfTheStoreAreUsed) {
  const auto lstm = Inspect(Source("tests/fixtures/mlp_cuda/1/resnet18_gpu.pth"), {}, nullptr);
  ASSERT_TRUE(lstm.ok()) << lstm.status();
  EXPECT_TRUE(lstm->has_config);
  EXPECT_THAT(lstm->architecture, HasSubstr("mlp_cuda/forward.py"));
  EXPECT_TRUE(lstm->missing.ok());
  EXPECT_THAT(lstm->plan.saved_devices, ElementsAre("cuda:1"));
  EXPECT_EQ(lstm->suggested_config, "");
}

TEST(InspectionTest, ADeviceThatIsNotThereFallsBack) {
  InspectOptions options;
  options.device = "cuda:99";
  const auto inspection = InspectFixture("module.pt", options);
  ASSERT_TRUE(inspection.ok());
  EXPECT_TRUE(inspection->plan.placement.fallback);
  EXPECT_EQ(tensor::ToString(inspection->plan.placement.device), "cpu");
  options.device = "tpu:0";
  EXPECT_THAT(base::MessageOf(InspectFixture("module.pt", options).status()), HasSubstr("it knows: cuda, cpu"));
}

TEST(InspectionTest, ANestedCheckpointsKeyIsFoundAndSuggested) {
  const auto ambiguous = InspectFixture("training.pt");
  EXPECT_THAT(base::MessageOf(ambiguous.status()),
              AllOf(HasSubstr("\"model_state_dict\""), HasSubstr("\"ema.model\"")));
}

TEST(InspectionTest, AProgramShowsItsSignatureAndSuggestsAConfigThatSaysTheSame) {
  const std::string path = Source("server/plan/testdata/program.pt2");
  const auto inspection = Inspect(path, {}, nullptr);
  ASSERT_TRUE(inspection.ok()) << inspection.status();
  ASSERT_TRUE(inspection->program.has_value());
  EXPECT_EQ(inspection->program->max_batch_size, 16);
  EXPECT_EQ(inspection->scaffold, "");
  const auto json = ToJson(*inspection);
  EXPECT_EQ(json.at("format"), "torch.export program");
  EXPECT_EQ(json.at("program").at("inputs").at(0).at("name"), "x");
  EXPECT_EQ(json.at("program").at("outputs").at(0).at("shape"), nlohmann::ordered_json({-1, 4}));
  std::istringstream in;
  std::ostringstream out;
  std::ostringstream err;
  EXPECT_THAT(InspectionText(*inspection, Console{in, out, err}),
              AllOf(HasSubstr("scores"), HasSubstr("[-1, 4]"), HasSubstr("up to 16 a request"),
                    HasSubstr("exported for 1 to 16 rows")));
  InspectOptions options;
  options.config = ::testing::TempDir() + "config.pbtxt";
  std::ofstream(options.config) << inspection->suggested_config;
  const auto again = Inspect(path, options, nullptr);
  ASSERT_TRUE(again.ok()) << again.status() << inspection->suggested_config;
  EXPECT_EQ(ToJson(*again).at("program"), json.at("program"));
  EXPECT_THAT(again->plan.warnings, ::testing::IsEmpty());
}

TEST(InspectionTest, TheTextAndTheJsonSayTheSame) {
  const auto inspection = InspectFixture("scripted.pt");
  ASSERT_TRUE(inspection.ok()) << inspection.status();
  std::istringstream in;
  std::ostringstream out;
  std::ostringstream err;
  const Console console{in, out, err};
  EXPECT_THAT(InspectionText(*inspection, console),
              AllOf(HasSubstr("torchscript"), HasSubstr(inspection->sha256), HasSubstr("fc.weight"),
                    HasSubstr("A config.pbtxt to start from"), Not(HasSubstr("Needs an architecture"))));
  const auto json = ToJson(*inspection);
  EXPECT_EQ(json.at("sha256"), inspection->sha256);
  EXPECT_EQ(json.at("tensors").size(), inspection->tensors.size());
  EXPECT_FALSE(json.contains("needs"));
  EXPECT_FALSE(json.contains("scaffold"));
}

}  // namespace
}  // namespace torchferry::client
