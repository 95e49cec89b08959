#include "server/base/thread_slice.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/utsname.h>

#include <chrono>
#include <cstdio>
#include <thread>

namespace torchferry::base {
namespace {

using std::chrono::milliseconds;

// Since Linux 6.12.
bool KernelHasTurns() {
  utsname name{};
  int major = 0;
  int minor = 0;
  return uname(&name) == 0 && std::sscanf(name.release, "%d.%d", &major, &minor) == 2 &&
         (major > 6 || (major == 6 && minor >= 12));
}

TEST(ThreadSliceTest, TheKernelKeepsTheLengthOfATurn) {
  if (!KernelHasTurns()) GTEST_SKIP() << "Linux before 6.12";
  std::thread([] {
    EXPECT_TRUE(SetThreadSlice(milliseconds(20)));
    EXPECT_TRUE(SetThreadSlice(milliseconds(1)));
    // It keeps no turn of such a length.
    EXPECT_FALSE(SetThreadSlice(std::chrono::seconds(5)));
  }).join();
}

TEST(ThreadSliceTest, ThePriorityStays) {
  std::thread([] {
    ASSERT_EQ(setpriority(PRIO_PROCESS, 0, 7), 0);  // on Linux, of this thread
    SetThreadSlice(milliseconds(20));
    EXPECT_EQ(getpriority(PRIO_PROCESS, 0), 7);
  }).join();
}

}  // namespace
}  // namespace torchferry::base
