#include "server/app/find_libtorch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace torchferry::app {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
namespace fs = std::filesystem;

class FindLibTorchTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string folder = (fs::temp_directory_path() / "find-libtorch-XXXXXX").string();
    ASSERT_NE(mkdtemp(folder.data()), nullptr);
    folder_ = folder;
  }
  void TearDown() override { fs::remove_all(folder_); }

  void Write(const fs::path& file, const std::string& text = "") {
    fs::create_directories((folder_ / file).parent_path());
    std::ofstream(folder_ / file) << text;
  }

  fs::path folder_;
};

TEST_F(FindLibTorchTest, InSitePackagesInTorchAndInAnUnpackedZip) {
  Write("site-packages/torch/lib/libtorch_cpu.so");
  Write("site-packages/torch/version.py",
        "from typing import Optional\n\n__version__ = '2.11.0+cu130'\ndebug = False\n");
  Write("unpacked/libtorch/lib/libtorch_cpu.so");
  Write("unpacked/libtorch/build-version", "2.15.0+cpu\n");
  for (const char* folder : {"site-packages", "site-packages/torch"}) {
    const auto found = LibTorchIn(folder_ / folder);
    ASSERT_TRUE(found.has_value()) << folder;
    EXPECT_EQ(found->root, (folder_ / "site-packages/torch").string());
    EXPECT_EQ(found->version, "2.11.0+cu130");
  }
  const auto zip = LibTorchIn(folder_ / "unpacked");
  ASSERT_TRUE(zip.has_value());
  EXPECT_EQ(zip->version, "2.15.0+cpu");
}

TEST_F(FindLibTorchTest, WhatHoldsNoLibrariesIsNoLibTorch) {
  Write("torch/version.py", "__version__ = '2.11.0'\n");
  EXPECT_FALSE(LibTorchIn(folder_).has_value());
  EXPECT_FALSE(LibTorchIn(folder_ / "absent").has_value());
  EXPECT_FALSE(LibTorchIn("").has_value());
}

TEST_F(FindLibTorchTest, AVersionThatIsNotSaidIsEmpty) {
  Write("torch/lib/libtorch_cpu.so");
  EXPECT_EQ(LibTorchIn(folder_)->version, "");
  Write("torch/version.py", "git_version = 'abc'\n");
  EXPECT_EQ(LibTorchIn(folder_)->version, "");
}

TEST(MinorOfTest, ItIsTheFirstTwoNumbers) {
  EXPECT_EQ(MinorOf("2.11.0+cu130"), "2.11");
  EXPECT_EQ(MinorOf("2.11"), "2.11");
  EXPECT_EQ(MinorOf("2.12.0a0+git"), "2.12");
  for (const char* wrong : {"", "2", "2.", ".11", "a.b", "torch"}) EXPECT_EQ(MinorOf(wrong), "") << wrong;
}

TEST_F(FindLibTorchTest, ServersAreSortedByNumber) {
  for (const char* name : {"2.9", "2.15", "2.11", "2.x", "", "2.11.0"})
    Write(std::string("torchferry-server-process-") + name);
  Write("torchferry-export-sample");
  EXPECT_THAT(ServersIn(folder_), ElementsAre("2.9", "2.11", "2.15"));
  EXPECT_THAT(ServersIn(folder_ / "absent"), IsEmpty());
}

TEST(TakeLibTorchFlagTest, OtherArgumentsStay) {
  std::vector<std::string> arguments = {"torchferry-server", "--libtorch", "/opt", "--device", "cpu"};
  EXPECT_EQ(TakeLibTorchFlag(arguments), "/opt");
  EXPECT_THAT(arguments, ElementsAre("torchferry-server", "--device", "cpu"));
  EXPECT_EQ(TakeLibTorchFlag(arguments), std::nullopt);
  arguments.push_back("--libtorch=/usr");
  EXPECT_EQ(TakeLibTorchFlag(arguments), "/usr");
  EXPECT_THAT(arguments, ElementsAre("torchferry-server", "--device", "cpu"));
  arguments.push_back("--libtorch");
  EXPECT_EQ(TakeLibTorchFlag(arguments), "") << "without a folder";
}

// A python3 that stands first in PATH.
class TorchOfPythonTest : public FindLibTorchTest {
 protected:
  void SetUp() override {
    FindLibTorchTest::SetUp();
    before_ = std::getenv("PATH");
    setenv("PATH", (folder_.string() + ":" + before_).c_str(), 1);
  }
  void TearDown() override {
    setenv("PATH", before_.c_str(), 1);
    FindLibTorchTest::TearDown();
  }
  void WritePython(const std::string& script) {
    Write("python3", "#!/bin/sh\n" + script + "\n");
    fs::permissions(folder_ / "python3", fs::perms::owner_all);
  }

  std::string before_;
};

TEST_F(TorchOfPythonTest, TheFirstOfPathSays) {
  WritePython("echo /a/site-packages/torch");
  EXPECT_EQ(TorchOfPython(), "/a/site-packages/torch");
}

TEST_F(TorchOfPythonTest, OneWithoutTorchOrThatFailsSaysNothing) {
  WritePython("echo");
  EXPECT_EQ(TorchOfPython(), std::nullopt);
  WritePython("echo /a/torch; exit 1");
  EXPECT_EQ(TorchOfPython(), std::nullopt);
}

}  // namespace
}  // namespace torchferry::app
