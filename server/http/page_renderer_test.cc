#include "server/http/page_renderer.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace torchferry::http {
namespace {

using Page = PageRenderer::Page;

std::future<Page> Ask(PageRenderer& renderer) {
  auto page = std::make_shared<std::promise<Page>>();
  auto future = page->get_future();
  renderer.Ask([page](Page made) { page->set_value(std::move(made)); });
  return future;
}

TEST(PageRendererTest, EachPageIsNewWhileNobodyHoldsOldOnes) {
  int rendered = 0;
  PageRenderer renderer([&] { return std::to_string(++rendered); }, 2);
  for (int i = 1; i <= 5; ++i) EXPECT_EQ(*Ask(renderer).get(), std::to_string(i));
}

TEST(PageRendererTest, WhoAsksMeanwhileSharesTheNextPage) {
  std::atomic<int> rendered{0};
  std::promise<void> begun;
  std::promise<void> go_on;
  PageRenderer renderer(
      [&] {
        if (++rendered == 1) {
          begun.set_value();
          go_on.get_future().wait();
        }
        return std::to_string(rendered);
      },
      4);
  std::future<Page> first = Ask(renderer);
  begun.get_future().wait();
  std::vector<std::future<Page>> later;
  for (int i = 0; i < 20; ++i) later.push_back(Ask(renderer));
  go_on.set_value();
  EXPECT_EQ(*first.get(), "1");
  for (auto& page : later) EXPECT_EQ(*page.get(), "2");
  EXPECT_EQ(rendered, 2);
}

TEST(PageRendererTest, PagesThatAreHeldAreBounded) {
  int rendered = 0;
  PageRenderer renderer([&] { return std::to_string(++rendered); }, 3);
  std::vector<Page> held;
  for (int i = 0; i < 10; ++i) held.push_back(Ask(renderer).get());
  EXPECT_EQ(rendered, 3);
  EXPECT_EQ(*held.back(), "3");
  held.erase(held.begin());  // a slow reader has gone
  EXPECT_EQ(*Ask(renderer).get(), "4");
}

TEST(PageRendererTest, AnExceptionIsNoPageAndTheNextIsTriedAgain) {
  int rendered = 0;
  PageRenderer renderer(
      [&]() -> std::string {
        if (++rendered == 1) throw std::runtime_error("no");
        return "page";
      },
      2);
  EXPECT_EQ(Ask(renderer).get(), nullptr);
  EXPECT_EQ(*Ask(renderer).get(), "page");
}

}  // namespace
}  // namespace torchferry::http
