#include "server/registry/job_thread.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <latch>
#include <string>
#include <thread>
#include <vector>

namespace torchferry::registry {
namespace {

using ::testing::ElementsAre;

TEST(JobThreadTest, RunsInOrderWhatWasAddedBeforeAndAfterItsStart) {
  std::vector<int> ran;
  std::promise<void> last;
  JobThread jobs("jobs");
  jobs.Add([&](bool) { ran.push_back(1); });
  jobs.Start();
  jobs.Add([&](bool) { ran.push_back(2); });
  jobs.Add([&](bool is_dropped) {
    EXPECT_FALSE(is_dropped);
    last.set_value();
  });
  last.get_future().wait();
  EXPECT_THAT(ran, ElementsAre(1, 2));
}

TEST(JobThreadTest, StopDropsWhatWaitsAndWhatComesLater) {
  std::vector<std::string> ends;
  const auto end = [&](bool is_dropped) { ends.emplace_back(is_dropped ? "dropped" : "done"); };
  std::latch has_begun(1);
  JobThread jobs("jobs");
  jobs.Add([&](bool is_dropped) {
    has_begun.count_down();
    while (!jobs.stopping()) std::this_thread::yield();
    end(is_dropped);
  });
  jobs.Add(end);
  jobs.Start();
  has_begun.wait();
  jobs.Stop();
  EXPECT_THAT(ends, ElementsAre("done", "dropped"));
  jobs.Add(end);
  EXPECT_THAT(ends, ElementsAre("done", "dropped", "dropped"));
}

TEST(JobThreadTest, AJobMayAddAnother) {
  std::promise<void> second;
  JobThread jobs("jobs");
  jobs.Start();
  jobs.Add([&](bool) { jobs.Add([&](bool) { second.set_value(); }); });
  second.get_future().wait();
}

}  // namespace
}  // namespace torchferry::registry
