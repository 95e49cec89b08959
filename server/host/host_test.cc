#include "server/host/host.h"

#include <gtest/gtest.h>

#include <vector>

namespace torchferry::host {
namespace {

TEST(HostTest, ReadsCgroupLimits) {
  EXPECT_DOUBLE_EQ(ParseCgroupCpuMax("150000 100000\n").value(), 1.5);
  EXPECT_FALSE(ParseCgroupCpuMax("max 100000\n").has_value());
  EXPECT_FALSE(ParseCgroupCpuMax("").has_value());
  EXPECT_EQ(ParseCgroupMemoryMax("1073741824\n").value(), 1073741824u);
  EXPECT_FALSE(ParseCgroupMemoryMax("max\n").has_value());
  EXPECT_FALSE(ParseCgroupMemoryMax("9223372036854771712\n").has_value());
}

TEST(HostTest, NamesTheProcessor) {
  EXPECT_EQ(ParseProcessor(
                "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 26\nmodel\t\t: 2\nmodel name\t: AMD EPYC 9\n"
                "stepping\t: 1\n\nprocessor\t: 1\nmodel\t\t: 3\n"),
            "AuthenticAMD 26/2/1 AMD EPYC 9");
  EXPECT_EQ(ParseProcessor("CPU implementer : 0x41\n"), "");
  EXPECT_EQ(ParseProcessor(""), "");
}

TEST(HostTest, ReadsMemTotal) {
  EXPECT_EQ(ParseMemTotal("MemTotal:       1024 kB\nMemFree:  1 kB\n").value(), 1024u * 1024u);
  EXPECT_FALSE(ParseMemTotal("nothing").has_value());
}

TEST(HostTest, ThisHostHasAProcessorAndMemory) {
  const HostInfo host = ProbeHost();
  EXPECT_GT(host.cpu_quota, 0);
  EXPECT_GT(host.memory_limit_bytes, 0u);
}

TEST(HostTest, UsageGrowsWithUse) {
  const ProcessUsage before = ReadProcessUsage();
  std::vector<char> block(64 << 20, 1);
  // Where nothing reads the block, clang leaves it out.
  [[maybe_unused]] char* volatile reader = block.data();
  const ProcessUsage after = ReadProcessUsage();
  EXPECT_GE(after.cpu_seconds, before.cpu_seconds);
  EXPECT_GT(after.resident_bytes, before.resident_bytes + (32u << 20)) << block.size();
}

}  // namespace
}  // namespace torchferry::host
