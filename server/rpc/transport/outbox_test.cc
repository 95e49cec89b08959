#include "server/rpc/transport/outbox.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

namespace torchferry::rpc {
namespace {

using testing::ElementsAre;

// Both ends of a TCP connection.
class Connection {
 public:
  Connection() {
    const int listening = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof(address);
    EXPECT_EQ(bind(listening, reinterpret_cast<const sockaddr*>(&address), length), 0);
    EXPECT_EQ(listen(listening, 1), 0);
    getsockname(listening, reinterpret_cast<sockaddr*>(&address), &length);
    client_ = socket(AF_INET, SOCK_STREAM, 0);
    EXPECT_EQ(connect(client_, reinterpret_cast<const sockaddr*>(&address), length), 0);
    getsockname(client_, reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(address.sin_port);
    server_ = accept(listening, nullptr, nullptr);
    const int on = 1;
    setsockopt(server_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));  // as gRPC does
    close(listening);
  }
  ~Connection() {
    close(client_);
    close(server_);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  int server() const { return server_; }
  uint16_t port() const { return port_; }
  bool IsCorked() const {
    int on = 0;
    socklen_t length = sizeof(on);
    getsockopt(server_, IPPROTO_TCP, TCP_CORK, &on, &length);
    return on != 0;
  }
  // Segments with data that the server has sent.
  uint32_t Segments() const {
    tcp_info info{};
    socklen_t length = sizeof(info);
    getsockopt(server_, IPPROTO_TCP, TCP_INFO, &info, &length);
    return info.tcpi_data_segs_out;
  }
  std::string Receive(size_t bytes) const {
    std::string text(bytes, 0);
    EXPECT_EQ(recv(client_, text.data(), bytes, MSG_WAITALL), static_cast<ssize_t>(bytes));
    return text;
  }

 private:
  int client_ = -1;
  int server_ = -1;
  uint16_t port_ = 0;
};

class TestLetter final : public Outbox::Letter {
 public:
  TestLetter(const Connection& to, std::string text, std::vector<std::string>& sent)
      : to_(to), text_(std::move(text)), sent_(sent) {}

  void Send() override {
    sent_.push_back(to_.IsCorked() ? text_ + " corked" : text_);
    EXPECT_EQ(send(to_.server(), text_.data(), text_.size(), 0), static_cast<ssize_t>(text_.size()));
  }
  uint16_t client_port() const override { return to_.port(); }

 private:
  const Connection& to_;
  const std::string text_;
  std::vector<std::string>& sent_;
};

class OutboxTest : public testing::Test {
 protected:
  OutboxTest() {
    sockets_.Set(first_.port(), first_.server());
    sockets_.Set(second_.port(), second_.server());
  }

  void Send(const Connection& to, const std::string& text) {
    Outbox::Send(*letters_.emplace_back(std::make_unique<TestLetter>(to, text, sent_)));
  }

  Connection first_;
  Connection second_;
  ClientSockets sockets_;
  Outbox outbox_{sockets_};
  std::vector<std::string> sent_;
  std::vector<std::unique_ptr<TestLetter>> letters_;
};

TEST_F(OutboxTest, ALetterAloneIsSentAtOnce) {
  Send(first_, "one");
  EXPECT_THAT(sent_, ElementsAre("one"));
}

TEST_F(OutboxTest, LettersOfABatchLeaveInOneSegmentForEachConnection) {
  {
    const Outbox::Collecting collecting(outbox_);
    for (const char* text : {"a1", "a2", "a3"}) {
      Send(first_, text);
      Send(second_, std::string("b") + text[1]);
    }
    EXPECT_TRUE(sent_.empty());
  }
  EXPECT_EQ(first_.Receive(6), "a1a2a3");
  EXPECT_EQ(second_.Receive(6), "b1b2b3");
  EXPECT_EQ(first_.Segments(), 1);
  EXPECT_EQ(second_.Segments(), 1);
  EXPECT_FALSE(first_.IsCorked());
  EXPECT_FALSE(second_.IsCorked());
}

TEST_F(OutboxTest, TheOnlyLetterToAConnectionIsNotCorked) {
  {
    const Outbox::Collecting collecting(outbox_);
    Send(first_, "one");
  }
  EXPECT_THAT(sent_, ElementsAre("one"));
}

// As over a Unix socket.
TEST_F(OutboxTest, ToAConnectionThatIsNotKnownTheyLeaveOneByOne) {
  const Connection unknown;
  {
    const Outbox::Collecting collecting(outbox_);
    Send(unknown, "one");
    Send(unknown, "two");
  }
  EXPECT_THAT(sent_, ElementsAre("one", "two"));
}

TEST_F(OutboxTest, AClosedDescriptorHarmsNoOne) {
  const int closed = dup(first_.server());
  close(closed);
  sockets_.Set(first_.port(), closed);
  {
    const Outbox::Collecting collecting(outbox_);
    Send(first_, "one");
    Send(first_, "two");
  }
  EXPECT_EQ(first_.Receive(6), "onetwo");
}

TEST_F(OutboxTest, AfterABatchLettersAreSentAtOnceAgain) {
  { const Outbox::Collecting collecting(outbox_); }
  Send(first_, "one");
  EXPECT_THAT(sent_, ElementsAre("one"));
}

TEST(ClientPortTest, IsThePartAfterTheLastColon) {
  struct Case {
    const char* peer;
    uint16_t port;
  };
  for (const auto& [peer, port] : std::vector<Case>{{"ipv4:192.0.2.7:50123", 50123},
                                                    {"ipv6:%5B2001:db8::1%5D:443", 443},
                                                    {"unix:/run/torchferry.sock", 0},
                                                    {"unix:", 0},
                                                    {"a:5012x", 0},
                                                    {"ipv4:192.0.2.7:70000", 0},
                                                    {"ipv4:192.0.2.7:", 0},
                                                    {"", 0}}) {
    EXPECT_EQ(ClientPort(peer), port) << peer;
  }
}

}  // namespace
}  // namespace torchferry::rpc
