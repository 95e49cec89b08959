#include "server/registry/load_pool.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "server/base/status.h"
#include "server/base/thread_name.h"
#include "server/base/thread_priority.h"

namespace torchferry::registry {
namespace {

absl::Status Ending() { return absl::UnavailableError("the server is shutting down"); }

absl::Status NoThreadLeft(int stuck) {
  return base::MakeStatus(absl::StatusCode::kUnavailable,
                          "no thread is left to load it: {} loads do not end (--max-stuck-threads); restart the server",
                          stuck);
}

}  // namespace

class LoadPool::JobOverrun final : public base::Overrun {
 public:
  JobOverrun(LoadPool& pool, Thread& thread, const Job& job) : pool_(pool), thread_(thread), job_(job) {}

  std::function<void()> GiveUp(base::Duration so_far) override {
    std::deque<Job> refused;
    int stuck = 0;
    {
      base::MutexLock lock(pool_.mutex_);
      stuck = ++pool_.stuck_;
      ++pool_.telling_;
      base::LowerPriority(thread_.number);
      if (pool_.stuck_ <= pool_.options_.max_stuck) pool_.AddThread();
      if (pool_.Usable() == 0) refused = std::exchange(pool_.jobs_, {});
    }
    return [pool = &pool_, give_up = job_.give_up, so_far, stuck, refused = std::move(refused)] {
      give_up(so_far);
      for (const Job& job : refused) job.refuse(NoThreadLeft(stuck), /*is_stopping=*/false);
      base::MutexLock lock(pool->mutex_);
      --pool->telling_;
      pool->changed_.NotifyAll();
    };
  }

 private:
  LoadPool& pool_;
  Thread& thread_;
  const Job& job_;
};

LoadPool::LoadPool(Options options, const base::Clock& clock) : options_(options), clock_(clock) {
  base::MutexLock lock(mutex_);
  for (int i = 0; i < std::max(1, options_.threads); ++i) AddThread();
}

void LoadPool::AddThread() {
  ++alive_;
  Thread& self = *threads_.emplace_back(std::make_unique<Thread>());
  self.thread = std::thread([this, &self] { Run(self); });
}

void LoadPool::Add(Job job) {
  absl::Status why;
  bool is_stopping = false;
  {
    base::MutexLock lock(mutex_);
    is_stopping = stopping_;
    if (is_stopping) {
      why = Ending();
    } else if (Usable() == 0) {
      why = NoThreadLeft(stuck_);
    } else {
      jobs_.push_back(job);
      changed_.NotifyAll();
    }
  }
  JoinEnded();
  if (!why.ok()) job.refuse(why, is_stopping);
}

void LoadPool::Stop() {
  std::deque<Job> refused;
  std::vector<std::unique_ptr<Thread>> threads;
  {
    base::MutexLock lock(mutex_);
    stopping_ = true;
    refused = std::exchange(jobs_, {});
    changed_.NotifyAll();
  }
  for (const Job& job : refused) job.refuse(Ending(), /*is_stopping=*/true);
  {
    base::MutexLock lock(mutex_);
    while (alive_ > 0 || telling_ > 0) changed_.Wait(mutex_);
    threads = std::exchange(threads_, {});
  }
  for (const auto& thread : threads) thread->thread.join();
}

int LoadPool::stuck() const {
  base::MutexLock lock(mutex_);
  return stuck_;
}

bool LoadPool::is_idle() const {
  base::MutexLock lock(mutex_);
  return IsIdle();
}

void LoadPool::Run(Thread& self) {
  base::NameThisThread("loader");
  {
    base::MutexLock lock(mutex_);
    self.number = base::ThisThreadNumber();
  }
  const auto pass = options_.watch == nullptr ? std::make_shared<base::Pass>() : options_.watch->Add();
  while (RunNext(self, *pass)) {
  }
  base::MutexLock lock(mutex_);
  --alive_;
  self.has_ended = true;
  changed_.NotifyAll();
}

bool LoadPool::RunNext(Thread& self, base::Pass& pass) {
  Job job;
  {
    base::MutexLock lock(mutex_);
    while (!stopping_ && jobs_.empty()) changed_.Wait(mutex_);
    if (stopping_) return false;
    job = std::move(jobs_.front());
    jobs_.pop_front();
    ++running_;
  }
  JobOverrun overrun(*this, self, job);
  pass.Begin(clock_.Now(), job.limit, overrun);
  std::function<void()> finish = job.run();
  if (pass.End()) {
    finish();
    TellEnd();
    return true;
  }
  finish = nullptr;  // and with it what was loaded
  base::MutexLock lock(mutex_);
  --stuck_;
  --running_;
  // Its priority is low by now, and it cannot raise it: it goes. Where nobody took its place, a new one does.
  if (!stopping_ && Usable() - 1 < std::max(1, options_.threads)) AddThread();
  return false;
}

void LoadPool::TellEnd() {
  {
    base::MutexLock lock(mutex_);
    --running_;
    if (!IsIdle()) return;
  }
  if (options_.on_idle) options_.on_idle();
}

void LoadPool::JoinEnded() {
  std::vector<std::unique_ptr<Thread>> ended;
  {
    base::MutexLock lock(mutex_);
    const auto first =
        std::stable_partition(threads_.begin(), threads_.end(), [](const auto& thread) { return !thread->has_ended; });
    std::move(first, threads_.end(), std::back_inserter(ended));
    threads_.erase(first, threads_.end());
  }
  for (const auto& thread : ended) thread->thread.join();
}

}  // namespace torchferry::registry
