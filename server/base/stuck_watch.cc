#include "server/base/stuck_watch.h"

namespace torchferry::base {

std::shared_ptr<Pass> StuckWatch::Add() {
  auto pass = std::make_shared<Pass>();
  MutexLock lock(mutex_);
  passes_.push_back(pass);
  return pass;
}

void StuckWatch::Look() {
  std::vector<std::shared_ptr<Pass>> passes;
  {
    MutexLock lock(mutex_);
    std::erase_if(passes_, [](const auto& pass) { return pass.use_count() == 1; });
    passes = passes_;
  }
  const TimePoint now = clock_.Now();
  for (const auto& pass : passes) {
    const std::optional<PassView> seen = pass->Look();
    if (!seen.has_value() || !IsPastLimit(*seen, now)) continue;
    if (const std::function<void()> next = pass->GiveUp(*seen, now)) next();
  }
  looks_.Tell();
}

}  // namespace torchferry::base
