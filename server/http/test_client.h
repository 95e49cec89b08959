// A client that sends the bytes that a test wants, well-formed or not.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace torchferry::http {

struct TestResponse {
  int status = 0;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
};

class TestClient {
 public:
  static constexpr int kPatienceMs = 60000;  // max wait for what must happen

  TestClient() : socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {}
  explicit TestClient(int port) : TestClient() { Connect(port); }
  ~TestClient() { Close(); }
  TestClient(TestClient&& other) noexcept : socket_(std::exchange(other.socket_, -1)), got_(std::move(other.got_)) {}
  TestClient& operator=(TestClient&&) = delete;
  TestClient(const TestClient&) = delete;
  TestClient& operator=(const TestClient&) = delete;

  bool Connect(int port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  }

  void Close() {
    if (socket_ >= 0) close(std::exchange(socket_, -1));
  }
  void EndSending() const { shutdown(socket_, SHUT_WR); }
  // After this the kernel accepts only few bytes that the test does not read.
  void KeepReceiveBufferSmall() const {
    const int bytes = 4096;
    setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
  }

  // False when the server has closed the connection.
  bool Send(std::string_view text) const {
    while (!text.empty()) {
      const ssize_t sent = send(socket_, text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      text.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }

  bool SendRequest(std::string_view method, std::string_view target, std::string_view more = "") const {
    return Send(std::string(method) + " " + std::string(target) + " HTTP/1.1\r\nHost: test\r\n" + std::string(more) +
                "\r\n");
  }

  // Reads the next response. `has_body` is false for an answer to HEAD. nullopt when the connection ends, or nothing
  // arrives.
  std::optional<TestResponse> Read(bool has_body = true) {
    size_t end = 0;
    while ((end = got_.find("\r\n\r\n")) == std::string::npos) {
      if (!Receive(kPatienceMs)) return std::nullopt;
    }
    TestResponse response = Parse(std::string_view(got_).substr(0, end + 2));
    got_.erase(0, end + 4);
    const size_t length = has_body ? std::strtoul(response.headers["content-length"].c_str(), nullptr, 10) : 0;
    while (got_.size() < length) {
      if (!Receive(kPatienceMs)) return std::nullopt;
    }
    response.body = got_.substr(0, length);
    got_.erase(0, length);
    return response;
  }

  std::optional<TestResponse> Get(std::string_view target) {
    return SendRequest("GET", target) ? Read() : std::nullopt;
  }

  // Whether the server closes the connection within `milliseconds`. Bytes that arrive until then are dropped.
  bool IsClosedWithin(int milliseconds) {
    while (Receive(milliseconds)) got_.clear();
    return is_closed_;
  }
  // Waits until bytes have arrived, and leaves them unread.
  bool WaitUntilReadable() const { return Wait(POLLIN); }
  // Waits until the server has ended the connection. Bytes that it sent stay unread.
  bool WaitUntilHungUp() const { return Wait(POLLRDHUP); }
  bool WaitUntilClosed() { return IsClosedWithin(kPatienceMs); }

 private:
  static TestResponse Parse(std::string_view head) {
    TestResponse response;
    if (head.starts_with("HTTP/1.1 ")) response.status = std::atoi(std::string(head.substr(9, 3)).c_str());
    size_t line = head.find("\r\n") + 2;
    while (line < head.size()) {
      const size_t end = head.find("\r\n", line);
      const std::string_view field = head.substr(line, end - line);
      const size_t colon = field.find(": ");
      std::string name(field.substr(0, colon));
      std::transform(name.begin(), name.end(), name.begin(),
                     [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      response.headers[name] = field.substr(colon + 2);
      line = end + 2;
    }
    return response;
  }

  bool Wait(short event) const {
    pollfd wait{.fd = socket_, .events = event, .revents = 0};
    return poll(&wait, 1, kPatienceMs) > 0;
  }

  // Reads more bytes. False when none arrive in time, or the connection has ended.
  bool Receive(int milliseconds) {
    pollfd wait{.fd = socket_, .events = POLLIN, .revents = 0};
    if (poll(&wait, 1, milliseconds) <= 0) return false;
    std::array<char, 65536> bytes{};
    const ssize_t count = recv(socket_, bytes.data(), bytes.size(), 0);
    is_closed_ = count <= 0;
    if (count > 0) got_.append(bytes.data(), static_cast<size_t>(count));
    return count > 0;
  }

  int socket_;
  std::string got_;
  bool is_closed_ = false;
};

}  // namespace torchferry::http
