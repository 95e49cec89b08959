// Loads that do not end, beside others.
#include <gmock/gmock.h>

#include <atomic>

#include "server/base/test_clock.h"
#include "server/registry/test_registry.h"

namespace torchferry::registry {
namespace {

using ::testing::HasSubstr;

constexpr base::Duration kLimit = std::chrono::seconds(30);

// A model whose name begins with "slow" waits to be released while it is loaded.
class StuckLoadTest : public ::testing::Test {
 protected:
  StuckLoadTest() {
    registry_.SetListener([this] {
      base::MutexLock lock(mutex_);
      changed_.NotifyAll();
    });
  }
  ~StuckLoadTest() override {
    Release();
    registry_.Stop();
  }

  absl::StatusOr<std::unique_ptr<serving::Servable>> Make(const std::string& model, int64_t version) {
    if (model.starts_with("slow")) {
      ++inside_;
      inside_.notify_all();
      is_released_.wait(false);
    }
    return maker_.Make(model, version);
  }
  void Release() {
    is_released_ = true;
    is_released_.notify_all();
  }
  void WaitUntilInside(int count) {
    for (int now = inside_; now < count; now = inside_) inside_.wait(now);
  }
  std::string State(const std::string& model) const {
    const auto list = registry_.List(model);
    return list.empty() ? "none" : std::string(Name(list[0].state));
  }
  void WaitFor(const std::string& model, const std::string& state) {
    base::MutexLock lock(mutex_);
    while (State(model) != state) changed_.Wait(mutex_);
  }
  void Overrun() {
    clock_.Advance(2 * kLimit);
    watch_.Look();
  }
  template <typename Start>
  std::future<absl::StatusCode> Ask(Start start) {
    const auto promise = std::make_shared<std::promise<absl::StatusCode>>();
    start([promise](const absl::Status& status) { promise->set_value(status.code()); });
    return promise->get_future();
  }
  std::future<absl::StatusCode> Load(const std::string& model) {
    return Ask([&](Registry::Done done) { registry_.Load(model, {}, std::move(done)); });
  }
  std::future<absl::StatusCode> Unload(const std::string& model) {
    return Ask([&](Registry::Done done) { registry_.Unload(model, 0, std::move(done)); });
  }

  TestStore store_;
  ServableMaker maker_;
  base::FakeClock clock_;
  base::StuckWatch watch_{clock_};
  base::Mutex mutex_;
  base::CondVar changed_;
  std::atomic<bool> is_released_{false};
  std::atomic<int> inside_{0};
  Registry registry_{[this](const std::string& m, int64_t v, const config::ModelConfig&) { return Make(m, v); },
                     maker_.metrics(),
                     clock_,
                     {.store = store_.path(),
                      .on_unloaded = nullptr,
                      .marks = nullptr,
                      .loading = {.threads = 2, .max_stuck = 2, .watch = &watch_},
                      .load_limit = [](const config::ModelConfig&) { return kLimit; }}};
};

TEST_F(StuckLoadTest, OneSlowLoadHoldsUpNeitherLoadsNorChangesOfOthers) {
  registry_.Add({Folder("a", {1}), Folder("slow", {1}), Folder("z", {1})});
  registry_.StartLoading();
  WaitFor("z", "ready");
  EXPECT_EQ(State("slow"), "loading");
  store_.Put("new", 1);
  EXPECT_EQ(Load("new").get(), absl::StatusCode::kOk);
  EXPECT_EQ(Unload("a").get(), absl::StatusCode::kOk);
  Release();
  WaitFor("slow", "ready");
}

TEST_F(StuckLoadTest, ChangesOfOneModelComeOneAfterAnother) {
  store_.Put("slow", 1);
  registry_.StartLoading();
  auto loaded = Load("slow");
  WaitUntilInside(1);
  auto unloaded = Unload("slow");
  auto again = Load("slow");
  store_.Put("other", 1);
  EXPECT_EQ(Load("other").get(), absl::StatusCode::kOk);
  EXPECT_EQ(State("slow"), "loading");
  Release();
  EXPECT_EQ(loaded.get(), absl::StatusCode::kOk);
  EXPECT_EQ(unloaded.get(), absl::StatusCode::kOk);
  EXPECT_EQ(again.get(), absl::StatusCode::kOk);
  EXPECT_EQ(State("slow"), "ready");
}

TEST_F(StuckLoadTest, ALoadThatDoesNotEndFailsAndItsThreadIsReplaced) {
  registry_.Add({Folder("slow1", {1}), Folder("slow2", {1}), Folder("z", {1})});
  registry_.StartLoading();
  WaitUntilInside(2);
  EXPECT_EQ(State("z"), "pending");
  Overrun();
  WaitFor("z", "ready");
  for (const char* model : {"slow1", "slow2"}) {
    EXPECT_EQ(State(model), "failed");
    const absl::Status error = registry_.List(model).at(0).error;
    EXPECT_EQ(error.code(), absl::StatusCode::kDeadlineExceeded);
    EXPECT_THAT(base::MessageOf(error), HasSubstr("load_timeout_seconds"));
  }
  EXPECT_EQ(registry_.stuck_loads(), 2);
  EXPECT_EQ(NotReadyReason(registry_.List(), ReadinessPolicy::kAny), "");
  // What comes late is dropped.
  Release();
  while (registry_.stuck_loads() > 0) std::this_thread::yield();
  EXPECT_EQ(State("slow1"), "failed");
}

TEST_F(StuckLoadTest, WhoAskedForALoadThatDoesNotEndIsToldAndTheModelCanBeChanged) {
  store_.Put("slow", 1);
  registry_.StartLoading();
  auto loaded = Load("slow");
  WaitUntilInside(1);
  auto unloaded = Unload("slow");
  Overrun();
  EXPECT_EQ(loaded.get(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(unloaded.get(), absl::StatusCode::kOk);
  EXPECT_EQ(State("slow"), "unloaded");
}

TEST_F(StuckLoadTest, ALookAtTheStoreDoesNotWaitForModelsThatLoad) {
  store_.Put("slow", 1);
  registry_.StartLoading();
  auto loaded = Load("slow");
  WaitUntilInside(1);
  store_.Put("other", 1);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(Ask([&](Registry::Done done) { registry_.Rescan(std::move(done)); }).get(), absl::StatusCode::kOk);
  }
  EXPECT_EQ(State("other"), "ready");
  Release();
  loaded.wait();
}

TEST_F(StuckLoadTest, StopAnswersWhatWaits) {
  store_.Put("slow", 1);
  registry_.StartLoading();
  auto loaded = Load("slow");
  WaitUntilInside(1);
  auto unloaded = Unload("slow");
  std::thread stopper([&] { registry_.Stop(); });
  while (Load("other").get() != absl::StatusCode::kUnavailable) std::this_thread::yield();
  Release();
  stopper.join();
  EXPECT_EQ(loaded.get(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(unloaded.get(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace torchferry::registry
