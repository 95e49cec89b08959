#include "server/http/page_renderer.h"

#include <exception>
#include <utility>

#include "server/base/clock.h"
#include "server/base/logging.h"

namespace torchferry::http {

PageRenderer::PageRenderer(std::function<std::string()> render, size_t max_pages)
    : render_(std::move(render)), max_pages_(max_pages), thread_("http-page", [this] { return Turn(); }) {
  thread_.Start(base::kNoDeadline);
}

void PageRenderer::Ask(Done done) {
  {
    base::MutexLock lock(mutex_);
    waiting_.push_back(std::move(done));
  }
  thread_.Wake();
}

base::TimePoint PageRenderer::Turn() {
  std::vector<Done> asked;
  {
    base::MutexLock lock(mutex_);
    asked.swap(waiting_);
  }
  if (!asked.empty()) {
    const Page page = Next();
    for (Done& done : asked) done(page);
  }
  return base::kNoDeadline;
}

PageRenderer::Page PageRenderer::Next() {
  std::erase_if(held_, [](const auto& page) { return page.expired(); });
  if (held_.size() >= max_pages_) {
    if (Page newest = held_.back().lock(); newest != nullptr) return newest;
  }
  try {
    auto page = std::make_shared<const std::string>(render_());
    held_.push_back(page);
    return page;
  } catch (const std::exception& error) {
    base::LogError("metrics cannot be rendered", {{"reason", error.what()}});
  } catch (...) {
    base::LogError("metrics cannot be rendered", {{"reason", "an exception of an unknown type"}});
  }
  return nullptr;
}

}  // namespace torchferry::http
