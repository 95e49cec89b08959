#include "server/host/memory.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace torchferry::host {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMiB = uint64_t{1} << 20;

class CgroupMemoryTest : public ::testing::Test {
 protected:
  CgroupMemoryTest() {
    fs::remove_all(top_);
    fs::create_directories(top_);
  }
  ~CgroupMemoryTest() override { fs::remove_all(top_); }

  void Put(const std::string& path, const std::string& text) const {
    fs::create_directories((top_ / path).parent_path());
    std::ofstream(top_ / path) << text;
  }
  std::vector<CgroupMemory> Read(const std::string& self) const {
    Put("self", self);
    return ReadCgroupMemory(top_.string(), (top_ / "self").string());
  }

  const fs::path top_ =
      fs::path(::testing::TempDir()) /
      (std::string("torchferry_cgroup_") + ::testing::UnitTest::GetInstance()->current_test_info()->name());
};

TEST_F(CgroupMemoryTest, OfVersion1WithThoseAbove) {
  Put("memory/memory.limit_in_bytes", "9223372036854771712\n");
  Put("memory/memory.usage_in_bytes", "1\n");
  Put("memory/a/memory.limit_in_bytes", "1048576000\n");
  Put("memory/a/memory.usage_in_bytes", "838860800\n");
  Put("memory/a/b/memory.limit_in_bytes", "536870912\n");
  Put("memory/a/b/memory.usage_in_bytes", "419430400\n");
  Put("memory/a/b/memory.stat",
      "inactive_file 1\ntotal_mapped_file 20971520\ntotal_inactive_file 209715200\ntotal_active_file 104857600\n");
  const auto groups = Read("12:cpu:/x\n4:memory,hugetlb:/a/b\n0::/\n");
  ASSERT_EQ(groups.size(), 2U);
  EXPECT_EQ(groups[0].available_bytes(), 512 * kMiB - (400 - 280) * kMiB);
  EXPECT_EQ(groups[1].available_bytes(), 200 * kMiB);
}

TEST_F(CgroupMemoryTest, OfVersion2) {
  Put("pod/memory.max", "536870912\n");
  Put("pod/memory.current", "104857600\n");
  Put("pod/memory.stat", "anon 5\nfile_mapped 0\ninactive_file 52428800\nactive_file 0\n");
  Put("pod/c/memory.max", "max\n");
  Put("pod/c/memory.current", "104857600\n");
  const auto groups = Read("0::/pod/c\n");
  ASSERT_EQ(groups.size(), 1U);
  EXPECT_EQ(groups[0].available_bytes(), (512 - 50) * kMiB);
}

TEST_F(CgroupMemoryTest, InAContainerTheTopIsTheGroupItself) {
  Put("memory.max", "1048576\n");
  Put("memory.current", "4096\n");
  for (const std::string self : {"0::/\n", "0::/docker/0123\n", "0::/../../x\n", ""}) {
    ASSERT_EQ(Read(self).size(), 1U) << self;
    EXPECT_EQ(Read(self)[0].limit_bytes, kMiB);
  }
}

TEST_F(CgroupMemoryTest, NoneWhereTheKernelShowsNone) {
  EXPECT_TRUE(Read("0::/\n").empty());
  EXPECT_TRUE(Read("rubbish").empty());
}

TEST(CgroupMemory, MoreInUseThanTheLimitLeavesNothing) {
  EXPECT_EQ((CgroupMemory{.limit_bytes = 10, .used_bytes = 20, .reclaimable_bytes = 5}.available_bytes()), 0U);
  EXPECT_EQ((CgroupMemory{.limit_bytes = 10, .used_bytes = 5, .reclaimable_bytes = 50}.available_bytes()), 10U);
}

TEST(AvailableMemoryTest, ReadsMeminfo) {
  EXPECT_EQ(ParseMemAvailable("MemTotal: 9 kB\nHugePages_Total:       0\nMemAvailable:   1024 kB\n"), kMiB);
  EXPECT_FALSE(ParseMemAvailable("").has_value());
}

TEST(AvailableMemoryTest, ThisHostHasSome) { EXPECT_GT(AvailableMemory().value_or(0), 0U); }

}  // namespace
}  // namespace torchferry::host
