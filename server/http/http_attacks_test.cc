// What a hostile client may do to the HTTP listener, and that probes are answered meanwhile.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "server/http/http_server.h"
#include "server/http/test_client.h"

namespace torchferry::http {
namespace {

using ::testing::HasSubstr;

constexpr std::chrono::hours kNever{1};

// No time runs out.
Limits Patient() {
  Limits limits;
  limits.header_time = limits.idle_time = limits.render_time = limits.write_time = kNever;
  return limits;
}

std::unique_ptr<HttpServer> Serve(
    const Limits& limits, std::function<std::string()> metrics = [] { return std::string("torchferry_up 1\n"); }) {
  auto server = HttpServer::Start(
      "127.0.0.1:0", {.metrics = std::move(metrics), .not_ready_reason = [] { return std::string(); }}, limits);
  EXPECT_TRUE(server.ok()) << server.status();
  return std::move(server).value();
}

int Probe(const HttpServer& server) {
  const auto response = TestClient(server.port()).Get("/livez");
  return response ? response->status : 0;
}

std::vector<TestClient> Connect(const HttpServer& server, int count) {
  std::vector<TestClient> clients;
  clients.reserve(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) clients.emplace_back(server.port());
  return clients;
}

TEST(HttpAttacksTest, SilentConnectionsDoNotHoldProbesUp) {
  const auto server = Serve(Patient());
  const auto silent = Connect(*server, 50);
  EXPECT_EQ(Probe(*server), 200);
}

TEST(HttpAttacksTest, UnfinishedRequestsDoNotHoldProbesUp) {
  const auto server = Serve(Patient());
  const auto slow = Connect(*server, 50);
  for (const TestClient& client : slow) ASSERT_TRUE(client.Send("GET /livez HTTP/1.1\r\nHost: "));
  EXPECT_EQ(Probe(*server), 200);
  for (const TestClient& client : slow) ASSERT_TRUE(client.Send("x"));
  EXPECT_EQ(Probe(*server), 200);
}

TEST(HttpAttacksTest, IdleScrapersDoNotHoldProbesUp) {
  const auto server = Serve(Patient());
  auto scrapers = Connect(*server, 12);
  for (TestClient& client : scrapers) ASSERT_TRUE(client.Get("/metrics"));
  EXPECT_EQ(Probe(*server), 200);
}

TEST(HttpAttacksTest, ByteByByteDoesNotExtendTheTimeOfARequest) {
  Limits limits = Patient();
  limits.header_time = std::chrono::milliseconds(200);
  const auto server = Serve(limits);
  TestClient client(server->port());
  ASSERT_TRUE(client.Send("GET /livez HTTP/1.1\r\nX: "));
  // Each wait is far shorter than the limit, and there are far more of them than fit in it.
  bool is_closed = false;
  for (int i = 0; i < TestClient::kPatienceMs / 20 && !is_closed; ++i) {
    is_closed = !client.Send("x") || client.IsClosedWithin(20);
  }
  EXPECT_TRUE(is_closed);
}

TEST(HttpAttacksTest, ASilentConnectionIsClosed) {
  Limits limits = Patient();
  limits.header_time = std::chrono::milliseconds(50);
  const auto server = Serve(limits);
  EXPECT_TRUE(TestClient(server->port()).WaitUntilClosed());
}

TEST(HttpAttacksTest, AnIdleConnectionIsClosed) {
  Limits limits = Patient();
  limits.idle_time = std::chrono::milliseconds(50);
  const auto server = Serve(limits);
  TestClient client(server->port());
  ASSERT_TRUE(client.Get("/livez"));
  EXPECT_TRUE(client.WaitUntilClosed());
}

TEST(HttpAttacksTest, ANewConnectionTakesThePlaceOfTheOldestWhenAllAreTaken) {
  Limits limits = Patient();
  limits.max_connections = 4;
  const auto server = Serve(limits);
  auto silent = Connect(*server, 40);
  EXPECT_EQ(Probe(*server), 200);
  EXPECT_TRUE(silent.front().WaitUntilClosed());
  for (int i = 0; i < 20; ++i) EXPECT_EQ(Probe(*server), 200);
}

TEST(HttpAttacksTest, ARequestHasNoBody) {
  const auto server = Serve(Patient());
  for (const char* method : {"GET", "POST", "PUT", "BREW"}) {
    for (const char* more : {"Content-Length: 5\r\n", "Content-Length: 99999999999999\r\n",
                             "Transfer-Encoding: chunked\r\n", "Transfer-Encoding: gzip, chunked\r\n"}) {
      TestClient client(server->port());
      ASSERT_TRUE(client.SendRequest(method, "/metrics", more));
      const auto response = client.Read();
      ASSERT_TRUE(response) << method << " " << more;
      EXPECT_THAT(response->status, ::testing::AnyOf(413, 400)) << method << " " << more;
      EXPECT_EQ(response->headers.at("connection"), "close");
    }
  }
}

TEST(HttpAttacksTest, AChunkedBodyIsNotKept) {
  Limits limits = Patient();
  limits.linger_time = kNever;
  const auto server = Serve(limits);
  TestClient client(server->port());
  ASSERT_TRUE(client.SendRequest("POST", "/metrics", "Transfer-Encoding: chunked\r\n"));
  // It is cut off after a little, whatever it sends.
  const std::string chunk = "10000\r\n" + std::string(0x10000, 'x') + "\r\n";
  int sent = 0;
  while (sent < 10000 && client.Send(chunk)) ++sent;
  EXPECT_LT(sent, 1000);
}

TEST(HttpAttacksTest, TwoLengthsAreNoWayToSmuggleARequest) {
  const auto server = Serve(Patient());
  for (const char* more :
       {"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", "Content-Length: 3\r\nContent-Length: 4\r\n",
        "Content-Length: 0\r\nContent-Length: 30\r\n", "Content-Length: -1\r\n",
        "Transfer-Encoding: chunked, chunked\r\n", "Transfer-Encoding: \x0b chunked\r\n"}) {
    TestClient client(server->port());
    ASSERT_TRUE(client.Send("GET /livez HTTP/1.1\r\nHost: test\r\n" + std::string(more) +
                            "\r\nGET /metrics HTTP/1.1\r\nHost: test\r\n\r\n"));
    const auto response = client.Read();
    ASSERT_TRUE(response) << more;
    EXPECT_THAT(response->status, ::testing::AnyOf(413, 400)) << more;
    EXPECT_FALSE(client.Read()) << more;
  }
}

TEST(HttpAttacksTest, OtherMethodsAre405) {
  const auto server = Serve(Patient());
  for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PATCH", "BREW"}) {
    TestClient client(server->port());
    ASSERT_TRUE(client.SendRequest(method, "/metrics"));
    const auto response = client.Read();
    ASSERT_TRUE(response) << method;
    EXPECT_EQ(response->status, 405) << method;
    EXPECT_EQ(response->headers.at("allow"), "GET, HEAD");
    EXPECT_TRUE(client.WaitUntilClosed());
  }
}

TEST(HttpAttacksTest, LongRequestsAre431) {
  const auto server = Serve(Patient());
  const std::string long_text(20000, 'x');
  std::string many;
  for (int i = 0; i < 2000; ++i) many += "X-" + std::to_string(i) + ": y\r\n";
  for (const std::string& request :
       {"GET /" + long_text + " HTTP/1.1\r\n\r\n", "GET /livez HTTP/1.1\r\nX: " + long_text + "\r\n\r\n",
        "GET /livez HTTP/1.1\r\n" + many + "\r\n"}) {
    TestClient client(server->port());
    ASSERT_TRUE(client.Send(request));
    const auto response = client.Read();
    ASSERT_TRUE(response);
    EXPECT_EQ(response->status, 431);
    EXPECT_TRUE(client.WaitUntilClosed());
  }
}

TEST(HttpAttacksTest, WhatIsNoHttp1Is400AndClosed) {
  const auto server = Serve(Patient());
  const std::string tls_hello("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11);
  for (const std::string& bytes :
       {tls_hello + std::string(200, '\0'), std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        std::string("\0\0\0\0\r\n", 6), std::string("GET /livez HTTP/3.7\r\n\r\n"), std::string("GET\r\n\r\n"),
        std::string("GET /livez HTTP/1.1\r\n: x\r\n\r\n"), std::string("GET /livez HTTP/1.1\r\nX: a\0b\r\n\r\n", 31)}) {
    TestClient client(server->port());
    ASSERT_TRUE(client.Send(bytes));
    const auto response = client.Read();
    ASSERT_TRUE(response) << bytes;
    EXPECT_EQ(response->status, 400) << bytes;
    EXPECT_THAT(response->body, HasSubstr("HTTP/1.1"));
    EXPECT_TRUE(client.WaitUntilClosed());
  }
  EXPECT_EQ(Probe(*server), 200);
}

TEST(HttpAttacksTest, RequestsOfOneConnectionAreBounded) {
  Limits limits = Patient();
  limits.max_requests_per_connection = 3;
  const auto server = Serve(limits);
  TestClient client(server->port());
  for (int i = 0; i < 2; ++i) {
    const auto response = client.Get("/livez");
    ASSERT_TRUE(response);
    EXPECT_EQ(response->headers.count("connection"), 0);
  }
  const auto last = client.Get("/livez");
  ASSERT_TRUE(last);
  EXPECT_EQ(last->headers.at("connection"), "close");
  EXPECT_TRUE(client.WaitUntilClosed());
}

TEST(HttpAttacksTest, AHalfClosedConnectionIsAnsweredAndEnds) {
  const auto server = Serve(Patient());
  TestClient whole(server->port());
  ASSERT_TRUE(whole.SendRequest("GET", "/metrics"));
  whole.EndSending();
  EXPECT_TRUE(whole.Read());
  EXPECT_TRUE(whole.WaitUntilClosed());
  TestClient part(server->port());
  ASSERT_TRUE(part.Send("GET /met"));
  part.EndSending();
  EXPECT_TRUE(part.WaitUntilClosed());
}

TEST(HttpAttacksTest, APageThatTakesLongHoldsNoProbeUp) {
  std::promise<void> go_on;
  const auto server = Serve(Patient(), [&, gone = go_on.get_future().share()] {
    gone.wait();
    return std::string("page\n");
  });
  auto scrapers = Connect(*server, 20);
  for (const TestClient& client : scrapers) ASSERT_TRUE(client.SendRequest("GET", "/metrics"));
  EXPECT_EQ(Probe(*server), 200);
  go_on.set_value();
  for (TestClient& client : scrapers) {
    const auto response = client.Read();
    ASSERT_TRUE(response);
    EXPECT_EQ(response->body, "page\n");
  }
}

TEST(HttpAttacksTest, APageThatDoesNotComeIs503) {
  std::promise<void> go_on;
  Limits limits = Patient();
  limits.render_time = std::chrono::milliseconds(50);
  const auto server = Serve(limits, [gone = go_on.get_future().share()] {
    gone.wait();
    return std::string();
  });
  const auto response = TestClient(server->port()).Get("/metrics");
  go_on.set_value();
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 503);
}

TEST(HttpAttacksTest, SlowReadersHoldFewPagesAndNobodyUp) {
  std::atomic<int> rendered{0};
  Limits limits = Patient();
  limits.max_pages = 2;
  constexpr size_t kPage = size_t{32} << 20;  // more than a socket's buffers hold
  const auto server = Serve(limits, [&] {
    ++rendered;
    return std::string(kPage, 'm');
  });
  std::vector<TestClient> slow;
  slow.reserve(20);
  for (int i = 0; i < 20; ++i) {
    TestClient& client = slow.emplace_back();
    client.KeepReceiveBufferSmall();
    ASSERT_TRUE(client.Connect(server->port()));
    ASSERT_TRUE(client.SendRequest("GET", "/metrics"));
    ASSERT_TRUE(client.WaitUntilReadable());  // so much of the answer is on its way
  }
  EXPECT_LE(rendered, 2);
  EXPECT_EQ(Probe(*server), 200);
  const auto scraped = TestClient(server->port()).Get("/metrics");
  ASSERT_TRUE(scraped);
  EXPECT_EQ(scraped->body.size(), kPage);
}

TEST(HttpAttacksTest, AReaderThatTakesTooLongIsCutOff) {
  Limits limits = Patient();
  limits.write_time = std::chrono::milliseconds(100);
  const auto server = Serve(limits, [] { return std::string(size_t{32} << 20, 'm'); });
  TestClient client;
  client.KeepReceiveBufferSmall();
  ASSERT_TRUE(client.Connect(server->port()));
  ASSERT_TRUE(client.SendRequest("GET", "/metrics"));
  ASSERT_TRUE(client.WaitUntilHungUp());
  EXPECT_EQ(Probe(*server), 200);
}

TEST(HttpAttacksTest, StopWaitsForNoSlowClient) {
  auto server = Serve(Patient(), [] { return std::string(size_t{32} << 20, 'm'); });
  auto silent = Connect(*server, 10);
  TestClient slow;
  slow.KeepReceiveBufferSmall();
  ASSERT_TRUE(slow.Connect(server->port()));
  ASSERT_TRUE(slow.SendRequest("GET", "/metrics"));
  ASSERT_TRUE(slow.WaitUntilReadable());
  server->Stop();
  for (TestClient& client : silent) EXPECT_TRUE(client.WaitUntilClosed());
}

// While it lives, this process has no descriptor left.
class NoDescriptors {
 public:
  NoDescriptors() {
    EXPECT_EQ(getrlimit(RLIMIT_NOFILE, &before_), 0);
    rlimit few = before_;
    few.rlim_cur = 256;
    EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
    for (int fd = open("/dev/null", O_RDONLY | O_CLOEXEC); fd >= 0; fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) {
      taken_.push_back(fd);
    }
  }
  ~NoDescriptors() {
    for (const int fd : taken_) close(fd);
    setrlimit(RLIMIT_NOFILE, &before_);
  }
  NoDescriptors(const NoDescriptors&) = delete;
  NoDescriptors& operator=(const NoDescriptors&) = delete;

 private:
  rlimit before_{};
  std::vector<int> taken_;
};

TEST(HttpAttacksTest, WithoutADescriptorAProbeTakesTheOldestOnesPlace) {
  const auto server = Serve(Patient());
  auto idle = Connect(*server, 2);
  for (TestClient& client : idle) ASSERT_TRUE(client.Get("/livez"));  // both have been accepted
  TestClient probe;
  NoDescriptors none;
  ASSERT_TRUE(probe.Connect(server->port()));
  const auto response = probe.Get("/livez");
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 200);
  EXPECT_TRUE(idle.front().WaitUntilClosed());
}

TEST(HttpAttacksTest, WithoutADescriptorNobodyLosesAPlaceToNobody) {
  const auto server = Serve(Patient());
  auto idle = Connect(*server, 2);
  for (TestClient& client : idle) ASSERT_TRUE(client.Get("/livez"));
  TestClient probe;
  NoDescriptors none;
  ASSERT_TRUE(probe.Connect(server->port()));
  ASSERT_TRUE(probe.Get("/livez"));
  EXPECT_FALSE(idle.back().IsClosedWithin(200));  // four of the pauses between two attempts
  EXPECT_TRUE(probe.Get("/livez"));
}

TEST(HttpAttacksTest, AcceptingGoesOnWhenThereAreDescriptorsAgain) {
  const auto server = Serve(Patient());
  TestClient probe;
  {
    NoDescriptors none;
    ASSERT_TRUE(probe.Connect(server->port()));
    ASSERT_TRUE(probe.SendRequest("GET", "/livez"));
  }
  EXPECT_TRUE(probe.Read());
  EXPECT_EQ(Probe(*server), 200);
}

}  // namespace
}  // namespace torchferry::http
