// The page of /metrics, rendered on a thread of its own and once for all who ask meanwhile.
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

  // `render` makes a page, on the thread. `max_pages`: how many may be held by whom they were given to.
  PageRenderer(std::function<std::string()> render, size_t max_pages);
  ~PageRenderer() { Stop(); }

  // `done` is called on the thread, once: with a page that was begun after this call or, while `max_pages` are held,
  // with the newest of these. Null when `render` threw. Not called when Stop comes first.
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
  std::vector<std::weak_ptr<const std::string>> held_;  // the thread's
  base::LoopThread thread_;
};

}  // namespace torchferry::http
