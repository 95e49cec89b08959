#include "server/plan/version_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "server/base/status.h"

namespace torchferry::plan {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(VersionFilesTest, AFolderOfManyFilesIsNotLookedThrough) {
  const fs::path store = fs::path(::testing::TempDir()) / "version_files_test";
  fs::create_directories(store / "m" / "1");
  for (int i = 0; i < 1'100; ++i) std::ofstream(store / "m" / "1" / std::to_string(i)) << "x";
  const auto files = FindVersionFiles(store.string(), "m", 1, {});
  fs::remove_all(store);
  EXPECT_EQ(files.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(base::MessageOf(files.status()),
              AllOf(HasSubstr("m/1/ has more than 1000 files"), HasSubstr("default_model_filename")));
}

TEST(VersionFilesTest, OfManyFilesTheFirstAreListed) {
  for (const absl::StatusCode code : {absl::StatusCode::kDataLoss, absl::StatusCode::kOk}) {
    std::vector<Candidate> candidates;
    for (int i = 0; i < 900; ++i) {
      const std::string name = "file" + std::to_string(i);
      candidates.push_back({name, checkpoint::FileFormat::kTorchScript});
      if (code != absl::StatusCode::kOk) candidates.back().format = absl::Status(code, name + ": is not whole");
    }
    const std::string message = base::MessageOf(ChooseModelFile(candidates, "m/1").status());
    EXPECT_THAT(message, AllOf(HasSubstr("file19"), HasSubstr("and 880 more")));
    EXPECT_LT(message.size(), 2'000u);
  }
}

}  // namespace
}  // namespace torchferry::plan
