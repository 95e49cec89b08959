// A worker's turns on its processor, on real threads.
#include <gtest/gtest.h>

#include <thread>

#include "server/base/test_clock.h"
#include "server/base/thread_slice.h"
#include "server/batching/test_tasks.h"

namespace torchferry::batching {
namespace {

using std::chrono::milliseconds;

// The turns of a thread that asks for none of its own. Zero: the kernel tells none.
base::Duration KernelsTurns() {
  base::Duration turns{0};
  std::thread([&] { turns = base::ThreadSlice(); }).join();
  return turns;
}

TEST(SchedulerTurnsTest, AWorkerHasLongTurnsWhileItsBatchesAreLong) {
  const base::Duration usual = KernelsTurns();
  if (usual == base::Duration::zero()) GTEST_SKIP() << "Linux before 6.12";
  base::FakeClock clock;
  Scheduler scheduler({.workers = 1}, clock);
  FakeHandler handler;
  base::Duration took{0};
  base::Duration turns{0};
  handler.on_run = [&](const auto&) {
    turns = base::ThreadSlice();
    clock.Advance(took);
  };
  const auto queue = scheduler.AddQueue(UpTo(0), handler);
  int ran = 0;
  const auto run = [&](base::Duration duration) {
    took = duration;
    ASSERT_TRUE(Submit(scheduler, *queue).ok());
    handler.WaitUntilRan(++ran);
    while (!scheduler.IsIdle()) std::this_thread::yield();
  };
  run(milliseconds(1));
  run(milliseconds(1));
  EXPECT_EQ(turns, usual) << "batches of 1 ms";
  run(milliseconds(50));
  run(milliseconds(50));
  EXPECT_GT(turns, 2 * usual) << "batches of 50 ms";
  // The longest batch fades.
  for (int i = 0; i < 40; ++i) run(milliseconds(1));
  EXPECT_EQ(turns, usual) << "batches of 1 ms again";
  scheduler.Close(*queue);
}

}  // namespace
}  // namespace torchferry::batching
