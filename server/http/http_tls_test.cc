// The HTTP listener over TLS: who gets an answer, with which certificate, and what a client may not do.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/base/mutex.h"
#include "server/http/http_server.h"
#include "server/http/test_client.h"
#include "server/tls/test_certificates.h"

namespace torchferry::http {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;
using tls::TestCertificate;

tls::Date Now() { return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()); }

// Gives what it is told to.
class FakeSource final : public tls::CredentialsSource {
 public:
  FakeSource(const TestCertificate& server, const TestCertificate& authority) { Set(server, authority); }

  void Set(const TestCertificate& server, const TestCertificate& authority) {
    const tls::Texts texts = {{"cert", server.pem()}, {"key", server.key_pem()}, {"ca", authority.pem()}};
    auto made = std::make_shared<const tls::Credentials>(tls::CheckCredentials(texts, Now()).value());
    base::MutexLock lock(mutex_);
    current_ = std::move(made);
  }

  std::shared_ptr<const tls::Credentials> Current() const override {
    base::MutexLock lock(mutex_);
    return current_;
  }

 private:
  mutable base::Mutex mutex_;
  std::shared_ptr<const tls::Credentials> current_ FERRY_GUARDED_BY(mutex_);
};

// One connection that speaks TLS, with a certificate of its own or without. It trusts everybody.
class TlsClient {
 public:
  explicit TlsClient(int port, const TestCertificate* own = nullptr)
      : context_(SSL_CTX_new(TLS_client_method())), socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    if (own != nullptr) {
      const auto chain = tls::ReadCertificates({"own", own->pem()}, 1).value();
      const auto key = tls::ReadPrivateKey({"own", own->key_pem()}).value();
      SSL_CTX_use_certificate(context_.get(), chain.front().get());
      SSL_CTX_use_PrivateKey(context_.get(), key.get());
    }
    const timeval patience = {.tv_sec = TestClient::kPatienceMs / 1000, .tv_usec = 0};
    setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
    connection_ = SSL_new(context_.get());
    SSL_set_fd(connection_, socket_);
    is_open_ = SSL_connect(connection_) == 1;
  }
  ~TlsClient() {
    SSL_free(connection_);
    close(socket_);
  }
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;

  bool is_open() const { return is_open_; }
  std::string version() const { return SSL_get_version(connection_); }
  std::string subject() const {
    const tls::CertificatePtr shown(SSL_get1_peer_certificate(connection_));
    char text[256] = "";
    if (shown != nullptr) X509_NAME_oneline(X509_get_subject_name(shown.get()), text, sizeof(text));
    return text;
  }

  bool Send(const std::string& text) {
    return SSL_write(connection_, text.data(), static_cast<int>(text.size())) == static_cast<int>(text.size());
  }
  // All until `end` has come or the connection has ended; empty: nothing came.
  std::string ReadUntil(const std::string& end) {
    std::string got;
    char bytes[4096];
    while (got.find(end) == std::string::npos) {
      const int count = SSL_read(connection_, bytes, sizeof(bytes));
      if (count <= 0) {
        ended_in_order_ = SSL_get_error(connection_, count) == SSL_ERROR_ZERO_RETURN;
        break;
      }
      got.append(bytes, static_cast<size_t>(count));
    }
    return got;
  }
  // Of a request that ends the connection, or of one that does not.
  std::string Get(const std::string& target, bool ends = true) {
    const std::string more = ends ? "Connection: close\r\n" : "";
    if (!is_open_ || !Send("GET " + target + " HTTP/1.1\r\nHost: test\r\n" + more + "\r\n")) return "";
    return ReadUntil(ends ? "\r\n\r\n\r\n" : "\r\n\r\nok\n");
  }
  bool ended_in_order() const { return ended_in_order_; }

 private:
  const tls::SslContextPtr context_;
  const int socket_;
  SSL* connection_ = nullptr;
  bool is_open_ = false;
  bool ended_in_order_ = false;
};

class HttpTlsTest : public ::testing::Test {
 protected:
  std::unique_ptr<HttpServer> Serve(const Limits& limits = {}, tls::ClientAuth auth = tls::ClientAuth::kNone) {
    auto server = HttpServer::Start(
        "127.0.0.1:0",
        {.metrics = [] { return std::string("torchferry_up 1\n"); }, .not_ready_reason = [] { return std::string(); }},
        limits, {.source = &source_, .client_auth = auth});
    EXPECT_TRUE(server.ok()) << server.status();
    return std::move(server).value();
  }

  const TestCertificate authority_ = TestCertificate::Authority();
  const TestCertificate first_{tls::Wanted{.name = "first"}, authority_};
  const TestCertificate second_{tls::Wanted{.name = "second"}, authority_};
  const TestCertificate client_{tls::Wanted{.name = "client", .usage = "clientAuth"}, authority_};
  FakeSource source_{first_, authority_};
};

TEST_F(HttpTlsTest, AnswersAndEndsInOrder) {
  const auto server = Serve();
  TlsClient client(server->port());
  EXPECT_EQ(client.version(), "TLSv1.3");
  EXPECT_THAT(client.Get("/metrics"), HasSubstr("torchferry_up 1\n"));
  EXPECT_TRUE(client.ended_in_order());
}

TEST_F(HttpTlsTest, OneConnectionHasManyRequests) {
  const auto server = Serve();
  TlsClient client(server->port());
  for (int i = 0; i < 10; ++i) EXPECT_THAT(client.Get("/livez", false), HasSubstr("200 OK"));
}

TEST_F(HttpTlsTest, ANewConnectionHasTheNewCertificateAndAnOldOneGoesOn) {
  const auto server = Serve();
  TlsClient before(server->port());
  EXPECT_THAT(before.subject(), HasSubstr("CN=first"));
  source_.Set(second_, authority_);
  TlsClient after(server->port());
  EXPECT_THAT(after.subject(), HasSubstr("CN=second"));
  EXPECT_THAT(before.Get("/livez", false), HasSubstr("200 OK"));
}

TEST_F(HttpTlsTest, WhoMustShowACertificateDoes) {
  const auto server = Serve({}, tls::ClientAuth::kRequire);
  TlsClient good(server->port(), &client_);
  EXPECT_THAT(good.Get("/livez"), HasSubstr("200 OK"));
  TlsClient none(server->port());
  EXPECT_EQ(none.Get("/livez"), "");
  const TestCertificate stranger(tls::Wanted{.name = "stranger", .usage = "clientAuth"});
  TlsClient other(server->port(), &stranger);
  EXPECT_EQ(other.Get("/livez"), "");
  TlsClient of_a_server(server->port(), &first_);
  EXPECT_EQ(of_a_server.Get("/livez"), "") << "its certificate is no client's";
}

TEST_F(HttpTlsTest, WhoMayShowACertificateMayComeWithoutOne) {
  const auto server = Serve({}, tls::ClientAuth::kRequest);
  EXPECT_THAT(TlsClient(server->port()).Get("/livez"), HasSubstr("200 OK"));
  EXPECT_THAT(TlsClient(server->port(), &client_).Get("/livez"), HasSubstr("200 OK"));
}

TEST_F(HttpTlsTest, WhatIsNoHandshakeIsClosedAtOnce) {
  const auto server = Serve();
  for (const char* const said :
       {"GET /livez HTTP/1.1\r\nHost: test\r\n\r\n", "\x16\x03\x01\xff\xff garbage garbage", "SSH"}) {
    TestClient client(server->port());
    ASSERT_TRUE(client.Send(std::string(said) + std::string(20000, 'x')));
    EXPECT_TRUE(client.WaitUntilClosed()) << said;
  }
  EXPECT_THAT(TlsClient(server->port()).Get("/livez"), HasSubstr("200 OK"));
}

TEST_F(HttpTlsTest, AHandshakeThatDoesNotEndIsEndedAndHoldsNobodyUp) {
  Limits limits;
  limits.header_time = milliseconds(300);
  const auto server = Serve(limits);
  std::vector<TestClient> silent;
  for (int i = 0; i < 100; ++i) {
    silent.emplace_back(server->port());
    if (i % 2 != 0) continue;
    ASSERT_TRUE(silent.back().Send(std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11)));
  }
  for (TestClient& client : silent) EXPECT_TRUE(client.WaitUntilClosed());
}

TEST_F(HttpTlsTest, WhoStopsAfterTheHandshakeIsEndedToo) {
  Limits limits;
  limits.header_time = milliseconds(300);
  const auto server = Serve(limits);
  TlsClient client(server->port());
  ASSERT_TRUE(client.is_open());
  EXPECT_EQ(client.ReadUntil("never"), "");
}

TEST_F(HttpTlsTest, MoreHandshakesThanConnectionsMakeRoomForAProbe) {
  Limits limits;
  limits.max_connections = 8;
  limits.header_time = std::chrono::hours(1);
  const auto server = Serve(limits);
  std::vector<TestClient> silent;
  for (int i = 0; i < 50; ++i) silent.emplace_back(server->port());
  EXPECT_THAT(TlsClient(server->port()).Get("/livez"), HasSubstr("200 OK"));
}

}  // namespace
}  // namespace torchferry::http
