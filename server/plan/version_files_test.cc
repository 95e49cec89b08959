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

Candidate Model(const std::string& name) { return {name, checkpoint::FileFormat::kZipCheckpoint}; }
Candidate Index(const std::string& name, std::vector<std::string> parts) {
  return {name, checkpoint::FileFormat::kShards, std::move(parts)};
}
Candidate Other(const std::string& name) { return {name, absl::InvalidArgumentError(name + ": is JSON text")}; }

TEST(VersionFilesTest, AnIndexWithNothingButItsPartsIsTheModel) {
  const auto chosen = ChooseModelFile({Model("a"), Model("b"), Other("config.json"), Index("i", {"a", "b"})}, "m/1");
  ASSERT_TRUE(chosen.ok()) << chosen.status();
  EXPECT_EQ(chosen->file, "i");
  EXPECT_TRUE(chosen->parts.empty());
  for (const std::vector<Candidate>& several :
       {std::vector<Candidate>{Model("a"), Model("c"), Index("i", {"a", "b"})},
        std::vector<Candidate>{Model("a"), Index("i", {"a"}), Index("j", {"a"})},
        std::vector<Candidate>{Model("a"), Index("i", {})}}) {
    EXPECT_EQ(ChooseModelFile(several, "m/1").status().code(), absl::StatusCode::kFailedPrecondition);
  }
}

TEST(VersionFilesTest, NamesOfAllPartsMakeOneModel) {
  const auto chosen = ChooseModelFile({Model("m-2-of-2.bin"), Other("config.json"), Model("m-1-of-2.bin")}, "m/1");
  ASSERT_TRUE(chosen.ok()) << chosen.status();
  EXPECT_EQ(chosen->file, "m-1-of-2.bin");
  EXPECT_THAT(chosen->parts, ::testing::ElementsAre("m-1-of-2.bin", "m-2-of-2.bin"));
  const absl::Status lacking = ChooseModelFile({Model("m-1-of-3.bin"), Model("m-2-of-3.bin")}, "m/1").status();
  EXPECT_THAT(base::MessageOf(lacking), HasSubstr("put all parts"));
  EXPECT_FALSE(ChooseModelFile({Model("m-1-of-2.bin"), Model("m-2-of-2.bin"), Model("x.pt")}, "m/1").ok());
}

TEST(VersionFilesTest, DeepSpeedsFilesAreToldOf) {
  const absl::Status status =
      ChooseModelFile({Model("mp_rank_00_model_states.pt"), Model("zero_pp_rank_0_mp_rank_00_optim_states.pt")}, "m/1")
          .status();
  EXPECT_THAT(base::MessageOf(status), AllOf(HasSubstr("DeepSpeed"), HasSubstr("zero_to_fp32.py")));
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
