#include "server/plan/version_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "server/base/status.h"
#include "server/checkpoint/trusted_digests.h"

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
  EXPECT_THAT(base::MessageOf(lacking), HasSubstr("Put all parts"));
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

// A version of an index, its two parts and a forward.py, and a list of some of these.
class TrustedFilesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::remove_all(store_);
    fs::create_directories(folder_);
    Write("model.safetensors.index.json", R"({"weight_map": {"a": "m-1-of-2", "b": "m-2-of-2"}})");
    Write("m-1-of-2", "part one");
    Write("m-2-of-2", "part two");
    Write("forward.py", "def forward(self, x: Tensor): return x");
  }
  void TearDown() override { fs::remove_all(store_); }

  void Write(const std::string& name, const std::string& text) const { std::ofstream(folder_ / name) << text; }

  absl::Status FindWithout(const std::string& unlisted, const config::ModelConfig& config = {}) const {
    std::string lines;
    for (const auto& entry : fs::directory_iterator(folder_)) {
      if (entry.path().filename() == unlisted) continue;
      const auto file = checkpoint::File::Open(entry.path().string(), "f");
      lines += *checkpoint::Sha256(**file) + "  " + entry.path().filename().string() + "\n";
    }
    const auto list = checkpoint::TrustedDigests::Parse(lines, "published.sha256");
    const auto files = FindVersionFiles(store_.string(), "m", 1, config, &*list);
    if (files.ok()) {
      EXPECT_EQ(files->trusted_by, "published.sha256");
      EXPECT_EQ(files->parts.size(), 2u);
      EXPECT_FALSE(files->parts[0]->known_sha256().empty());
      EXPECT_FALSE(files->architecture_file->known_sha256().empty());
    }
    return files.status();
  }

  // Of this case alone: others run beside it.
  const fs::path store_ =
      fs::path(::testing::TempDir()) /
      (std::string("trusted_files_") + ::testing::UnitTest::GetInstance()->current_test_info()->name());
  const fs::path folder_ = store_ / "m" / "1";
};

TEST_F(TrustedFilesTest, AVersionWhoseFilesAreAllListedIsFound) {
  EXPECT_EQ(FindWithout(""), absl::OkStatus());
  Write(".torchferry-tuning.json", "written by the server itself");
  EXPECT_EQ(FindWithout(".torchferry-tuning.json"), absl::OkStatus());
}

TEST_F(TrustedFilesTest, EachFileOfTheVersionMustBeListed) {
  Write("README.md", "not a model");
  for (const char* name : {"model.safetensors.index.json", "m-1-of-2", "m-2-of-2", "forward.py", "README.md"}) {
    const absl::Status status = FindWithout(name);
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(base::MessageOf(status), AllOf(HasSubstr(std::string("m/1/") + name + ": its SHA-256 "),
                                               HasSubstr("published.sha256 (--trusted-digests)")));
  }
}

TEST_F(TrustedFilesTest, OfAFileThatIsNamedTheOthersAreNotRead) {
  Write("README.md", "not a model");
  config::ModelConfig config;
  config.default_model_filename = "model.safetensors.index.json";
  EXPECT_EQ(FindWithout("README.md", config), absl::OkStatus());
  EXPECT_EQ(FindWithout("m-2-of-2", config).code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(TrustedFilesTest, AnArchitectureOfTheModelsFolderMustBeListed) {
  fs::rename(folder_ / "forward.py", store_ / "m" / "forward.py");
  EXPECT_THAT(base::MessageOf(FindWithout("")), HasSubstr("m/forward.py: its SHA-256 "));
}

}  // namespace
}  // namespace torchferry::plan
