#include "server/http/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "server/base/status.h"

namespace torchferry::http {
namespace {

using ::testing::HasSubstr;

HttpServer::Callbacks Ready() {
  return {.metrics = [] { return std::string("torchferry_up 1\n"); }, .not_ready_reason = [] { return std::string(); }};
}

std::unique_ptr<HttpServer> StartOrDie(HttpServer::Callbacks callbacks) {
  auto server = HttpServer::Start("127.0.0.1:0", std::move(callbacks));
  EXPECT_TRUE(server.ok()) << server.status();
  return std::move(server).value();
}

TEST(HttpServerTest, ServesMetricsAsPrometheusText) {
  const auto server = StartOrDie(Ready());
  httplib::Client client("127.0.0.1", server->port());
  const auto response = client.Get("/metrics");
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 200);
  EXPECT_EQ(response->body, "torchferry_up 1\n");
  EXPECT_THAT(response->get_header_value("Content-Type"), HasSubstr("version=0.0.4"));
}

TEST(HttpServerTest, LivezIsOkWhileNotReady) {
  auto callbacks = Ready();
  callbacks.not_ready_reason = [] { return std::string("2 models are loading"); };
  const auto server = StartOrDie(callbacks);
  httplib::Client client("127.0.0.1", server->port());
  const auto live = client.Get("/livez");
  ASSERT_TRUE(live);
  EXPECT_EQ(live->status, 200);
  EXPECT_EQ(live->body, "ok\n");
  const auto ready = client.Get("/readyz");
  ASSERT_TRUE(ready);
  EXPECT_EQ(ready->status, 503);
  EXPECT_EQ(ready->body, "2 models are loading\n");
}

TEST(HttpServerTest, ReadyzFollowsTheReason) {
  std::atomic<bool> is_ready{false};
  auto callbacks = Ready();
  callbacks.not_ready_reason = [&] { return std::string(is_ready ? "" : "loading"); };
  const auto server = StartOrDie(callbacks);
  httplib::Client client("127.0.0.1", server->port());
  EXPECT_EQ(client.Get("/readyz")->status, 503);
  is_ready = true;
  EXPECT_EQ(client.Get("/readyz")->status, 200);
}

TEST(HttpServerTest, AnswersHeadWithoutABody) {
  const auto server = StartOrDie(Ready());
  httplib::Client client("127.0.0.1", server->port());
  const auto response = client.Head("/readyz");
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 200);
  EXPECT_EQ(response->body, "");
  EXPECT_EQ(response->get_header_value("Content-Length"), "3");
}

TEST(HttpServerTest, UnknownPathIs404AndNamesThePathsThatAre) {
  const auto server = StartOrDie(Ready());
  httplib::Client client("127.0.0.1", server->port());
  const auto response = client.Get("/secret");
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 404);
  EXPECT_THAT(response->body, HasSubstr("/metrics"));
  EXPECT_EQ(client.Post("/metrics", "x", "text/plain")->status, 404);
}

TEST(HttpServerTest, RefusesALargeBody) {
  const auto server = StartOrDie(Ready());
  httplib::Client client("127.0.0.1", server->port());
  const auto response = client.Post("/metrics", std::string(8192, 'x'), "text/plain");
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 413);
}

TEST(HttpServerTest, AThrowingCallbackIs500WithoutItsText) {
  auto callbacks = Ready();
  callbacks.metrics = []() -> std::string { throw std::runtime_error("/secret/path"); };
  const auto server = StartOrDie(callbacks);
  httplib::Client client("127.0.0.1", server->port());
  const auto response = client.Get("/metrics");
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 500);
  EXPECT_EQ(response->body, "internal error\n");
  for (const auto& [name, value] : response->headers) {
    EXPECT_EQ(value.find("secret"), std::string::npos);
  }
}

TEST(HttpServerTest, ASecondServerOnThePortIsUnavailable) {
  const auto first = StartOrDie(Ready());
  const std::string address = "127.0.0.1:" + std::to_string(first->port());
  const auto second = HttpServer::Start(address, Ready());
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(base::MessageOf(second.status()), HasSubstr(address));
  EXPECT_THAT(base::MessageOf(second.status()), HasSubstr("in use"));
}

TEST(HttpServerTest, ThePortIsFreeAgainAfterStop) {
  auto first = StartOrDie(Ready());
  const std::string address = "127.0.0.1:" + std::to_string(first->port());
  EXPECT_TRUE(httplib::Client("http://" + address).Get("/livez"));
  first->Stop();
  first->Stop();  // twice is once
  EXPECT_TRUE(HttpServer::Start(address, Ready()).ok());
}

TEST(HttpServerTest, IdleConnectionsHoldNeitherProbesNorStop) {
  const auto server = StartOrDie(Ready());
  std::vector<std::unique_ptr<httplib::Client>> idle;
  for (int i = 0; i < 4; ++i) {
    idle.push_back(std::make_unique<httplib::Client>("127.0.0.1", server->port()));
    idle.back()->set_keep_alive(true);
    EXPECT_TRUE(idle.back()->Get("/livez"));
  }
  httplib::Client prober("127.0.0.1", server->port());
  prober.set_read_timeout(4);
  EXPECT_TRUE(prober.Get("/livez"));
  const auto start = std::chrono::steady_clock::now();
  server->Stop();
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(4));
}

TEST(HttpServerTest, RefusesWhatIsNotAnAddress) {
  for (const char* address : {"", "8002", ":8002", "localhost", "localhost:", "localhost:http", "localhost:70000",
                              "localhost:-1", "localhost:80 ", "::1:8002", "[]:80"}) {
    const auto server = HttpServer::Start(address, Ready());
    EXPECT_EQ(server.status().code(), absl::StatusCode::kInvalidArgument) << address;
  }
}

TEST(HttpServerTest, AHostThatIsNotHereIsUnavailable) {
  const auto server = HttpServer::Start("192.0.2.1:0", Ready());
  EXPECT_EQ(server.status().code(), absl::StatusCode::kUnavailable);
}

TEST(HttpServerTest, AnswersManyClientsAtOnce) {
  const auto server = StartOrDie(Ready());
  std::atomic<int> answered{0};
  std::vector<std::jthread> clients;
  for (int i = 0; i < 8; ++i) {
    clients.emplace_back([&] {
      httplib::Client client("127.0.0.1", server->port());
      for (int request = 0; request < 5; ++request) {
        const auto response = client.Get("/metrics");
        if (response && response->status == 200) ++answered;
      }
    });
  }
  clients.clear();
  EXPECT_EQ(answered, 40);
}

}  // namespace
}  // namespace torchferry::http
