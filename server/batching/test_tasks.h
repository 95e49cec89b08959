// Tasks, and a handler that counts them, for the tests.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "server/batching/scheduler.h"

namespace torchferry::batching {

class FakeTask : public Task {
 public:
  bool IsCancelled() const override { return cancelled; }
  bool cancelled = false;
};

// Counts what happens to its queues' tasks. `on_run` sees each batch before it is counted. It must be set while no
// batch runs.
class FakeHandler : public Scheduler::Handler {
 public:
  void Run(std::vector<std::unique_ptr<Task>> batch, Scheduler::Runner& runner) override {
    if (on_pass) on_pass(runner);
    if (on_run) on_run(batch);
    last_thread = std::this_thread::get_id();
    ++batches;
    ran += static_cast<int>(batch.size());
    ran.notify_all();
  }
  void Drop(std::unique_ptr<Task>, const absl::Status& why) override {
    last_code = why.code();
    ++dropped;
    dropped.notify_all();
  }
  void OnSuspect(const absl::Status& why) override {
    suspect_code = why.code();
    ++suspect_news;
    suspect_news.notify_all();
  }
  void OnDepth(int64_t) override { EXPECT_FALSE(is_gone); }
  int MaxAtOnce() const override {
    EXPECT_FALSE(is_gone);
    return max_at_once;
  }
  bool MayRunOnCaller() const override {
    EXPECT_FALSE(is_gone);
    return may_run_on_caller;
  }

  void WaitUntilRan(int tasks) const { WaitUntil(ran, tasks); }
  void WaitUntilSuspectNews(int news) const { WaitUntil(suspect_news, news); }
  void WaitUntilDropped(int tasks) const { WaitUntil(dropped, tasks); }

  std::function<void(const std::vector<std::unique_ptr<Task>>&)> on_run;
  std::function<void(Scheduler::Runner&)> on_pass;  // called before on_run; set while no batch runs
  std::atomic<bool> may_run_on_caller{false};
  std::atomic<int> max_at_once{0};
  std::atomic<int> ran{0};  // tasks that ran
  std::atomic<int> batches{0};
  std::atomic<int> dropped{0};
  std::atomic<absl::StatusCode> last_code{absl::StatusCode::kOk};  // of the last dropped task
  std::atomic<int> suspect_news{0};
  std::atomic<absl::StatusCode> suspect_code{absl::StatusCode::kOk};  // of the last news
  std::atomic<std::thread::id> last_thread{};                         // the thread that ran the last batch
  std::atomic<bool> is_gone{false};  // set after Close: a test expects no call from then on

 private:
  static void WaitUntil(const std::atomic<int>& count, int least) {
    for (int now = count; now < least; now = count) count.wait(now);
  }
};

// Batches of up to `rows` rows; 0: each task is a batch.
inline BatchOptions UpTo(int64_t rows) {
  BatchOptions options;
  options.max_rows = rows;
  options.max_queue_size = 100000;
  return options;
}

inline absl::Status Submit(Scheduler& scheduler, Scheduler::Queue& queue, bool cancelled = false) {
  auto fake = std::make_unique<FakeTask>();
  fake->cancelled = cancelled;
  std::unique_ptr<Task> task = std::move(fake);
  return scheduler.Submit(queue, task);
}

}  // namespace torchferry::batching
