#include "server/host/nvml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "server/base/status.h"

namespace torchferry {
namespace {

using ::testing::HasSubstr;

class NvmlTest : public ::testing::Test {
 protected:
  ~NvmlTest() override {
    unsetenv("FAKE_NVML_LOST");
    unsetenv("FAKE_NVML_BROKEN");
  }
};

TEST_F(NvmlTest, ReadsTheGpuThatCudaMeans) {
  const auto nvml = host::Nvml::Open(FAKE_NVML, FAKE_NVML);
  ASSERT_TRUE(nvml.ok()) << nvml.status();
  const host::GpuReading first = (*nvml)->Read(0).value();
  EXPECT_EQ(first.utilization, 0.75);
  EXPECT_EQ(first.total_bytes, 1000u);
  EXPECT_EQ(first.used_bytes, 900u);
  EXPECT_EQ((*nvml)->Read(1).value().used_bytes, 100u);
  EXPECT_EQ((*nvml)->Read(2).status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(NvmlTest, ALostGpuIsToldFromOneThatCannotBeRead) {
  const auto nvml = host::Nvml::Open(FAKE_NVML, FAKE_NVML);
  setenv("FAKE_NVML_LOST", "1", 1);
  EXPECT_EQ((*nvml)->Read(0).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(base::MessageOf((*nvml)->Read(0).status()), HasSubstr("cuda:0: GPU is lost"));
  EXPECT_TRUE((*nvml)->Read(1).ok());
}

TEST_F(NvmlTest, WhatIsMissingIsNamed) {
  EXPECT_THAT(base::MessageOf(host::Nvml::Open("libno-such.so.1", FAKE_NVML).status()), HasSubstr("libno-such.so.1"));
  setenv("FAKE_NVML_BROKEN", "1", 1);
  EXPECT_THAT(base::MessageOf(host::Nvml::Open(FAKE_NVML, FAKE_NVML).status()), HasSubstr("Driver Not Loaded"));
}

}  // namespace
}  // namespace torchferry
