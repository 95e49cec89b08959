// The page of /metrics, rendered on a thread of its own, once for all clients that ask in the meantime.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "server/base/loop_thread.h"
#include "server/base/mutex.h"

namespace torchferry::http {

// Thread-safe.
class PageRenderer {
 public:
  using Page = std::shared_ptr<const std::string>;
  using Done = std::function<void(Page)>;

  // `render` makes a page, on the thread. `max_pages`: max pages that callers may hold at the same time.
  PageRenderer(std::function<std::string()> render, size_t max_pages);
  ~PageRenderer() { Stop(); }

  // Calls `done` once, on the thread, with a page whose rendering began after this call. While callers hold `max_pages`
  // pages, it gets the newest of these. Null when `render` threw. It is not called if Stop comes first.
  void Ask(Done done);

  // Waits for the page that is being rendered.
  void Stop() { thread_.Stop(); }

 private:
  base::TimePoint Turn();
  Page Next();

  const std::function<std::string()> render_;
  const size_t max_pages_;
  base::Mutex mutex_;
  std::vector<Done> waiting_ FERRY_GUARDED_BY(mutex_);
  std::vector<std::weak_ptr<const std::string>> held_;  // used only by the thread
  base::LoopThread thread_;
};

}  // namespace torchferry::http
