#include "server/http/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "server/base/status.h"
#include "server/http/test_client.h"

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

int StatusOf(const HttpServer& server, std::string_view path) {
  const auto response = TestClient(server.port()).Get(path);
  return response ? response->status : 0;
}

TEST(HttpServerTest, ServesMetricsAsPrometheusText) {
  const auto server = StartOrDie(Ready());
  const auto response = TestClient(server->port()).Get("/metrics");
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 200);
  EXPECT_EQ(response->body, "torchferry_up 1\n");
  EXPECT_EQ(response->headers.at("content-type"), "text/plain; version=0.0.4; charset=utf-8");
}

TEST(HttpServerTest, LivezIsOkWhileNotReady) {
  auto callbacks = Ready();
  callbacks.not_ready_reason = [] { return std::string("2 models are loading"); };
  const auto server = StartOrDie(callbacks);
  TestClient client(server->port());
  const auto live = client.Get("/livez");
  ASSERT_TRUE(live);
  EXPECT_EQ(live->status, 200);
  EXPECT_EQ(live->body, "ok\n");
  EXPECT_EQ(live->headers.at("content-type"), "text/plain; charset=utf-8");
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
  EXPECT_EQ(StatusOf(*server, "/readyz"), 503);
  is_ready = true;
  EXPECT_EQ(StatusOf(*server, "/readyz"), 200);
}

TEST(HttpServerTest, ReadyzHasWhatIsDegraded) {
  auto callbacks = Ready();
  callbacks.degraded = [] { return std::string("degraded: cuda:0 is lost\n"); };
  const auto server = StartOrDie(callbacks);
  const auto response = TestClient(server->port()).Get("/readyz");
  ASSERT_TRUE(response);
  EXPECT_EQ(response->body, "ok\ndegraded: cuda:0 is lost\n");
}

TEST(HttpServerTest, AnswersHeadWithoutABody) {
  const auto server = StartOrDie(Ready());
  TestClient client(server->port());
  ASSERT_TRUE(client.SendRequest("HEAD", "/readyz"));
  const auto head = client.Read(false);
  ASSERT_TRUE(head);
  EXPECT_EQ(head->status, 200);
  EXPECT_EQ(head->headers.at("content-length"), "3");
  const auto next = client.Get("/livez");  // nothing stands in between
  ASSERT_TRUE(next);
  EXPECT_EQ(next->body, "ok\n");
}

TEST(HttpServerTest, UnknownPathIs404AndNamesThePathsThatAre) {
  const auto server = StartOrDie(Ready());
  const auto response = TestClient(server->port()).Get("/secret");
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 404);
  EXPECT_THAT(response->body, HasSubstr("/metrics"));
}

TEST(HttpServerTest, AQueryIsNoPartOfThePath) {
  const auto server = StartOrDie(Ready());
  EXPECT_EQ(StatusOf(*server, "/livez?verbose=1"), 200);
}

TEST(HttpServerTest, AThrowingCallbackIs500WithoutItsText) {
  auto callbacks = Ready();
  callbacks.metrics = []() -> std::string { throw std::runtime_error("/secret/path"); };
  callbacks.not_ready_reason = []() -> std::string { throw std::runtime_error("/secret/path"); };
  const auto server = StartOrDie(callbacks);
  TestClient client(server->port());
  for (const char* path : {"/metrics", "/readyz"}) {
    const auto response = client.Get(path);
    ASSERT_TRUE(response) << path;
    EXPECT_EQ(response->status, 500);
    EXPECT_EQ(response->body, "internal error\n");
    for (const auto& [name, value] : response->headers) EXPECT_EQ(value.find("secret"), std::string::npos);
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
  EXPECT_EQ(StatusOf(*first, "/livez"), 200);
  first->Stop();
  first->Stop();  // twice is once
  EXPECT_TRUE(HttpServer::Start(address, Ready()).ok());
}

TEST(HttpServerTest, ListensOnIPv6AndByName) {
  EXPECT_TRUE(HttpServer::Start("localhost:0", Ready()).ok());
  const auto server = HttpServer::Start("[::]:0", Ready());
  if (!server.ok()) GTEST_SKIP() << server.status();  // a host without IPv6
  EXPECT_EQ(StatusOf(**server, "/livez"), 200);       // by IPv4, too
}

TEST(HttpServerTest, RefusesWhatIsNotAnAddress) {
  for (const char* address : {"", "8002", ":8002", "localhost", "localhost:", "localhost:http", "localhost:70000",
                              "localhost:-1", "localhost:80 ", "::1:8002", "[]:80"}) {
    const auto server = HttpServer::Start(address, Ready());
    EXPECT_EQ(server.status().code(), absl::StatusCode::kInvalidArgument) << address;
  }
}

TEST(HttpServerTest, AHostThatIsNotHereIsUnavailable) {
  for (const char* address : {"192.0.2.1:0", "no-such-host.invalid:0"}) {
    EXPECT_EQ(HttpServer::Start(address, Ready()).status().code(), absl::StatusCode::kUnavailable) << address;
  }
}

TEST(HttpServerTest, AnswersManyClientsAtOnce) {
  const auto server = StartOrDie(Ready());
  std::atomic<int> answered{0};
  std::vector<std::jthread> clients;
  clients.reserve(8);
  for (int i = 0; i < 8; ++i) {
    clients.emplace_back([&] {
      TestClient client(server->port());
      for (int request = 0; request < 5; ++request) {
        const auto response = client.Get("/metrics");
        if (response && response->status == 200) ++answered;
      }
    });
  }
  clients.clear();
  EXPECT_EQ(answered, 40);
}

TEST(HttpServerTest, PipelinedRequestsAreAnsweredInTheirOrder) {
  const auto server = StartOrDie(Ready());
  TestClient client(server->port());
  std::string requests;
  for (const char* path : {"/livez", "/metrics", "/readyz", "/nowhere", "/livez"}) {
    requests += "GET " + std::string(path) + " HTTP/1.1\r\nHost: test\r\n\r\n";
  }
  ASSERT_TRUE(client.Send(requests));
  for (const int status : {200, 200, 200, 404, 200}) {
    const auto response = client.Read();
    ASSERT_TRUE(response);
    EXPECT_EQ(response->status, status);
  }
}

TEST(HttpServerTest, KeepAliveIsAsTheClientWants) {
  const auto server = StartOrDie(Ready());
  TestClient kept(server->port());
  ASSERT_TRUE(kept.Get("/livez"));
  EXPECT_TRUE(kept.Get("/livez"));
  TestClient closed(server->port());
  ASSERT_TRUE(closed.SendRequest("GET", "/livez", "Connection: close\r\n"));
  const auto response = closed.Read();
  ASSERT_TRUE(response);
  EXPECT_EQ(response->headers.at("connection"), "close");
  EXPECT_TRUE(closed.WaitUntilClosed());
  TestClient old(server->port());
  ASSERT_TRUE(old.Send("GET /livez HTTP/1.0\r\n\r\n"));
  EXPECT_TRUE(old.Read());
  EXPECT_TRUE(old.WaitUntilClosed());
}

}  // namespace
}  // namespace torchferry::http
