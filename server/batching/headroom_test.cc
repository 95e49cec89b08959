#include "server/batching/headroom.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <vector>

namespace torchferry::batching {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Short batches and their clients, beside long batches that always wait.
struct Load {
  double rate = 0;         // rows that come in a second, at most; 0: as many as are answered
  double row_seconds = 0;  // processor time of a row, its client's included
  int busy_threads = 0;    // threads of short batches and of clients that want a processor
  int foreign_threads = 0;
};

// Processors whose time the kernel divides equally among the threads that want it.
class Host {
 public:
  explicit Host(int processors)
      : processors_(processors), headroom_(processors, [this] { return long_time_; }), batches_(processors) {}

  // Passes `time` in steps of a millisecond. Long batches take `batch` of processor time.
  void Run(base::Duration time, const Load& load, base::Duration batch = milliseconds(50)) {
    for (const base::TimePoint end = now_ + time; now_ < end;) {
      now_ += milliseconds(1);
      const int in_use = static_cast<int>(batches_.size());
      const double share = std::min(1.0, processors_ / double(in_use + load.busy_threads + load.foreign_threads));
      const double rows = 0.001 * share * load.busy_threads / load.row_seconds;
      due_ += load.rate > 0 ? std::min(rows, 0.001 * load.rate) : rows;
      // An open loop leaves what it does not need to the others.
      const double used = load.rate > 0 ? std::min(1.0, load.rate * load.row_seconds / processors_) : 1;
      RunLong(load.rate > 0 ? std::min(1.0, (1 - used) * processors_ / (in_use + load.foreign_threads)) : share, batch);
      if (const auto done = static_cast<int64_t>(due_); done > 0) {
        due_ -= static_cast<double>(done);
        headroom_.RecordShort(done, now_);
      }
      left_free_ += headroom_.FreeThreads(now_);
      ++steps_;
    }
  }

  // The mean number of threads left free since the last call.
  double TakeMeanFree() {
    const double mean = left_free_ / steps_;
    left_free_ = steps_ = 0;
    return mean;
  }

  int free() const { return headroom_.FreeThreads(now_); }

 private:
  void RunLong(double share, base::Duration batch) {
    const auto computed = std::chrono::duration_cast<base::Duration>(share * milliseconds(1));
    for (base::Duration& left : batches_) {
      left -= computed;
      long_time_ += computed;
    }
    std::erase_if(batches_, [](base::Duration left) { return left <= base::Duration::zero(); });
    while (static_cast<int>(batches_.size()) < processors_ - headroom_.FreeThreads(now_)) batches_.push_back(batch);
    headroom_.SetInUse(static_cast<int>(batches_.size()), now_);
  }

  const int processors_;
  Headroom headroom_;
  base::TimePoint now_{std::chrono::hours(1)};
  base::Duration long_time_{0};
  std::vector<base::Duration> batches_;  // the running long ones: what each has left to compute
  double due_ = 0;
  double left_free_ = 0;
  double steps_ = 0;
};

// A loop and its client that wait for each other.
constexpr Load kClosedLoop = {.row_seconds = 0.0002, .busy_threads = 1};
constexpr Load kOpenLoop = {.rate = 1000, .row_seconds = 0.0001, .busy_threads = 1};

TEST(HeadroomTest, ABusyQuickModelGetsAProcessor) {
  Host host(2);
  host.Run(seconds(2), kClosedLoop);
  host.TakeMeanFree();
  host.Run(seconds(20), kClosedLoop);
  EXPECT_GT(host.TakeMeanFree(), 0.9);
}

// With half of the threads that want a processor, short batches have their part.
TEST(HeadroomTest, AQuickModelWithItsPartGetsNoMore) {
  Host host(2);
  host.Run(seconds(60), {.row_seconds = 0.0002, .busy_threads = 3});
  EXPECT_LT(host.TakeMeanFree(), 0.05);
}

// It asks for no more with a processor for itself. Trials cost long batches a little.
TEST(HeadroomTest, AnOpenLoopGetsNone) {
  Host host(2);
  host.Run(seconds(2), kOpenLoop);
  EXPECT_LT(host.TakeMeanFree(), 0.15);
  host.Run(seconds(60), kOpenLoop);
  EXPECT_LT(host.TakeMeanFree(), 0.02);
}

// Where long batches have the processors for themselves, a trial could only take something from them.
TEST(HeadroomTest, UndisturbedLongBatchesKeepAll) {
  Host host(2);
  host.Run(seconds(10), {.rate = 100, .row_seconds = 0.0001, .busy_threads = 1});
  EXPECT_EQ(host.TakeMeanFree(), 0);
}

TEST(HeadroomTest, WithoutLongBatchesItDecidesNothing) {
  Headroom headroom(2, [] { return base::Duration::zero(); });
  base::TimePoint now{std::chrono::hours(1)};
  for (int i = 0; i < 100'000; ++i) {
    now += std::chrono::microseconds(100);
    headroom.RecordShort(1, now);
    ASSERT_EQ(headroom.FreeThreads(now), 0);
  }
}

TEST(HeadroomTest, AChangedLoadIsTriedSoon) {
  Host host(2);
  host.Run(seconds(120), kOpenLoop);
  EXPECT_EQ(host.free(), 0);
  host.Run(seconds(1), kClosedLoop);
  host.TakeMeanFree();
  host.Run(seconds(3), kClosedLoop);
  EXPECT_GT(host.TakeMeanFree(), 0.9);
}

TEST(HeadroomTest, ItEndsWithTheShortBatches) {
  Host host(2);
  host.Run(seconds(4), kClosedLoop);
  ASSERT_EQ(host.free(), 1);
  host.Run(milliseconds(300), {.rate = 1, .row_seconds = 0.0001, .busy_threads = 1});
  EXPECT_EQ(host.free(), 0);
}

TEST(HeadroomTest, AfterAGapItIsTriedAnewAtOnce) {
  Host host(2);
  host.Run(seconds(1), kClosedLoop);
  ASSERT_EQ(host.free(), 1);
  host.Run(milliseconds(300), {.rate = 1, .row_seconds = 0.0001, .busy_threads = 1});
  ASSERT_EQ(host.free(), 0);
  host.Run(milliseconds(500), kClosedLoop);
  host.TakeMeanFree();
  host.Run(seconds(1), kClosedLoop);
  EXPECT_GT(host.TakeMeanFree(), 0.9);
}

TEST(HeadroomTest, AForeignProcessGetsNoThread) {
  Host host(2);
  Load load = kOpenLoop;
  load.foreign_threads = 1;
  host.Run(seconds(60), load);
  EXPECT_LT(host.TakeMeanFree(), 0.05);
}

// It frees one after the other while that pays, and not more than half.
TEST(HeadroomTest, OnManyProcessorsItClimbs) {
  Host host(8);
  host.Run(seconds(60), {.row_seconds = 0.0002, .busy_threads = 2});
  EXPECT_GE(host.free(), 1);
  host.TakeMeanFree();
  host.Run(seconds(60), {.row_seconds = 0.0002, .busy_threads = 2});
  const double free = host.TakeMeanFree();
  EXPECT_GT(free, 1);
  EXPECT_LT(free, 2.1);
}

TEST(HeadroomTest, OneThreadIsForLongBatches) {
  Host host(1);
  host.Run(seconds(10), kClosedLoop);
  EXPECT_EQ(host.TakeMeanFree(), 0);
}

}  // namespace
}  // namespace torchferry::batching
