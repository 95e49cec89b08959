#include "server/rpc/transport/acceptor.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/base/mutex.h"

namespace torchferry::rpc {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;

constexpr int kPatienceMs = 60000;

TEST(WhyNotAcceptingTest, IsEmptyWhileAllIsWell) { EXPECT_EQ(WhyNotAccepting({}, base::TimePoint(seconds(100))), ""); }

TEST(WhyNotAcceptingTest, AFullListenerSaysHowManyThereAre) {
  AcceptorState state;
  state.is_full = true;
  state.limit = 20;
  EXPECT_THAT(WhyNotAccepting(state, base::TimePoint(seconds(100))), HasSubstr("all 20 are open"));
}

TEST(WhyNotAcceptingTest, AFailureCountsWhenItLasts) {
  const base::TimePoint began(seconds(100));
  AcceptorState state;
  state.failure = "Too many open files";
  state.failing_since = began;
  EXPECT_EQ(WhyNotAccepting(state, began + milliseconds(900)), "");
  EXPECT_THAT(WhyNotAccepting(state, began + milliseconds(1100)), HasSubstr("Too many open files"));
}

TEST(WhyNotAcceptingTest, AConnectionThatIsNotTakenCountsWhenItLasts) {
  const base::TimePoint began(seconds(100));
  AcceptorState state;
  state.handling_since = began;
  EXPECT_EQ(WhyNotAccepting(state, began + seconds(4)), "");
  EXPECT_THAT(WhyNotAccepting(state, began + seconds(6)), HasSubstr("does not take"));
}

// Waits for what the acceptor does.
class FakeObserver final : public Acceptor::Observer {
 public:
  void OnAccepted() override { Count(accepted_); }
  void OnRefused(ConnectionVerdict why) override { Count(why == ConnectionVerdict::kTooMany ? too_many_ : of_peer_); }
  void OnEndedUnfinished() override { Count(ended_); }
  void OnAcceptFailed() override { Count(failed_); }
  void OnOpen(size_t connections) override {
    base::MutexLock lock(mutex_);
    open_ = static_cast<int>(connections);
    changed_.NotifyAll();
  }
  void OnChange() override { Count(changes_); }

  bool WaitForAccepted(int count) { return WaitFor(accepted_, count); }
  bool WaitForTooMany(int count) { return WaitFor(too_many_, count); }
  bool WaitForTooManyOfPeer(int count) { return WaitFor(of_peer_, count); }
  bool WaitForEnded(int count) { return WaitFor(ended_, count); }
  bool WaitForFailed(int count) { return WaitFor(failed_, count); }
  bool WaitForChanges(int count) { return WaitFor(changes_, count); }
  bool WaitUntilOpen(int count) {
    return Wait([&] { return open_ == count; });
  }

 private:
  void Count(int& number) {
    base::MutexLock lock(mutex_);
    ++number;
    changed_.NotifyAll();
  }
  bool WaitFor(const int& number, int count) {
    return Wait([&] { return number >= count; });
  }
  bool Wait(const std::function<bool()>& is_met) {
    const auto end = std::chrono::steady_clock::now() + milliseconds(kPatienceMs);
    base::MutexLock lock(mutex_);
    while (!is_met()) {
      if (!changed_.WaitUntil(mutex_, end)) return is_met();
    }
    return true;
  }

  base::Mutex mutex_;
  base::CondVar changed_;
  int accepted_ = 0;
  int too_many_ = 0;
  int of_peer_ = 0;
  int ended_ = 0;
  int failed_ = 0;
  int changes_ = 0;
  int open_ = 0;
};

class Client {
 public:
  Client() : socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {}
  explicit Client(int port) : Client() { Connect(port); }
  ~Client() { Close(); }
  Client(Client&& other) noexcept : socket_(std::exchange(other.socket_, -1)) {}
  Client& operator=(Client&&) = delete;
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // From an address of its own, when there is one.
  bool Connect(int port, const char* from = "127.0.0.1") {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    inet_pton(AF_INET, from, &address.sin_addr);
    if (bind(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) return false;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  }
  void Close() {
    if (socket_ >= 0) close(std::exchange(socket_, -1));
  }
  bool Send(size_t bytes) const {
    const std::string text(bytes, 'x');
    return send(socket_, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes);
  }
  int port() const {
    sockaddr_in address{};
    socklen_t length = sizeof(address);
    getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &length);
    return ntohs(address.sin_port);
  }
  bool WaitUntilClosed() const {
    pollfd wait{.fd = socket_, .events = POLLIN, .revents = 0};
    char byte = 0;
    return poll(&wait, 1, kPatienceMs) > 0 && recv(socket_, &byte, 1, 0) <= 0;
  }

 private:
  int socket_;
};

// An acceptor whose connections are the test's.
class AcceptorTest : public testing::Test {
 protected:
  ~AcceptorTest() override {
    if (acceptor_ != nullptr) acceptor_->Stop();
    CloseAll();
  }

  void Start(ConnectionLimits limits, int64_t unfinished_bytes = int64_t{1} << 30) {
    auto sockets = ListenSockets::Open("127.0.0.1:0");
    ASSERT_TRUE(sockets.ok()) << sockets.status();
    acceptor_ = std::make_unique<Acceptor>(
        std::move(sockets).value(), Acceptor::Bounds{limits, unfinished_bytes, &delivered_, &sockets_},
        [this](int, int connection) {
          base::MutexLock lock(mutex_);
          taken_.push_back(connection);
        },
        observer_, base::Clock::Real());
    acceptor_->Start();
  }
  int port() const { return acceptor_->port(); }
  // As gRPC does, without telling.
  void CloseAll() {
    base::MutexLock lock(mutex_);
    for (const int connection : taken_) close(connection);
    taken_.clear();
  }

  FakeObserver observer_;
  DeliveredBytes delivered_;
  ClientSockets sockets_;
  std::unique_ptr<Acceptor> acceptor_;
  base::Mutex mutex_;
  std::vector<int> taken_ FERRY_GUARDED_BY(mutex_);
};

TEST_F(AcceptorTest, GivesConnectionsOnAndCountsThem) {
  Start({.all = 10, .per_peer = 10});
  std::vector<Client> clients;
  for (int i = 0; i < 5; ++i) clients.emplace_back(port());
  EXPECT_TRUE(observer_.WaitForAccepted(5));
  EXPECT_TRUE(observer_.WaitUntilOpen(5));
  EXPECT_EQ(acceptor_->WhyNot(), "");
  CloseAll();
  EXPECT_TRUE(observer_.WaitUntilOpen(0));
}

TEST_F(AcceptorTest, TellsTheSocketsOfItsClients) {
  Start({.all = 10, .per_peer = 10});
  const Client client(port());
  ASSERT_TRUE(observer_.WaitForAccepted(1));
  EXPECT_TRUE(observer_.WaitUntilOpen(1));
  base::MutexLock lock(mutex_);
  ASSERT_EQ(taken_.size(), 1);
  EXPECT_EQ(sockets_.Of(client.port()), taken_[0]);
}

TEST_F(AcceptorTest, RefusesMoreThanTheLimitUntilSomeHaveBeenClosed) {
  Start({.all = 3, .per_peer = 3});
  std::vector<Client> clients;
  for (int i = 0; i < 3; ++i) clients.emplace_back(port());
  ASSERT_TRUE(observer_.WaitForAccepted(3));
  EXPECT_TRUE(observer_.WaitForChanges(1));
  EXPECT_THAT(acceptor_->WhyNot(), HasSubstr("all 3 are open"));
  EXPECT_TRUE(Client(port()).WaitUntilClosed());
  EXPECT_TRUE(observer_.WaitForTooMany(1));
  CloseAll();
  EXPECT_TRUE(observer_.WaitForChanges(2));
  EXPECT_EQ(acceptor_->WhyNot(), "");
  const Client next(port());
  EXPECT_TRUE(observer_.WaitForAccepted(4));
}

TEST_F(AcceptorTest, APeerWithManyLeavesRoomForAnother) {
  Start({.all = 10, .per_peer = 3});
  std::vector<Client> greedy(8);
  for (Client& client : greedy) ASSERT_TRUE(client.Connect(port(), "127.0.0.2"));
  ASSERT_TRUE(observer_.WaitForTooManyOfPeer(5));
  EXPECT_EQ(acceptor_->WhyNot(), "");
  const Client other(port());
  EXPECT_TRUE(observer_.WaitForAccepted(4));
}

TEST_F(AcceptorTest, WithoutDescriptorsItPausesAndThenGoesOn) {
  Start({.all = 1000, .per_peer = 1000});
  Client waiting;
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit few = before;
  few.rlim_cur = 256;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
  std::vector<int> files;
  for (int fd = open("/dev/null", O_RDONLY | O_CLOEXEC); fd >= 0; fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) {
    files.push_back(fd);
  }
  EXPECT_TRUE(waiting.Connect(port()));
  EXPECT_TRUE(observer_.WaitForFailed(2));
  EXPECT_TRUE(observer_.WaitForChanges(1));
  EXPECT_THAT(acceptor_->WhyNot(), HasSubstr("Too many open files"));
  for (const int fd : files) close(fd);
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_TRUE(observer_.WaitForAccepted(1));
  EXPECT_TRUE(observer_.WaitForChanges(2));
  EXPECT_EQ(acceptor_->WhyNot(), "");
}

TEST_F(AcceptorTest, EndsTheConnectionThatHasMostUnfinished) {
  Start({.all = 10, .per_peer = 10}, 100'000);
  const Client busy(port());
  const Client greedy(port());
  ASSERT_TRUE(observer_.WaitForAccepted(2));
  delivered_.Add(busy.port(), 90'000);
  ASSERT_TRUE(busy.Send(90'000));
  ASSERT_TRUE(greedy.Send(110'000));
  EXPECT_TRUE(observer_.WaitForEnded(1));
  EXPECT_TRUE(greedy.WaitUntilClosed());
  EXPECT_TRUE(busy.Send(1));
}

TEST_F(AcceptorTest, AfterStopNobodyListens) {
  Start({.all = 10, .per_peer = 10});
  const Client client(port());
  ASSERT_TRUE(observer_.WaitForAccepted(1));
  acceptor_->Stop();
  EXPECT_FALSE(Client().Connect(port()));
}

}  // namespace
}  // namespace torchferry::rpc
