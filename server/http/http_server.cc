// The HTTP listener over cpp-httplib: one thread accepts, a small pool answers.
#include "server/http/http_server.h"

#include <httplib.h>
#include <sys/socket.h>

#include <atomic>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <string_view>
#include <thread>
#include <utility>

#include "server/base/status.h"
#include "server/base/thread_name.h"

namespace torchferry::http {
namespace {

// A scraper and a prober at a time. Keep-alive is short, because an idle connection holds its
// thread.
constexpr size_t kThreads = 2;
constexpr time_t kKeepAliveSeconds = 1;
constexpr size_t kRequestsPerConnection = 100;
constexpr time_t kReadTimeoutSeconds = 2;
constexpr time_t kWriteTimeoutSeconds = 5;
constexpr size_t kMaxPayloadBytes = 4096;  // nothing here takes a body

constexpr char kPlainText[] = "text/plain; charset=utf-8";
constexpr char kPrometheusText[] = "text/plain; version=0.0.4; charset=utf-8";

struct HostPort {
  std::string host;
  int port = 0;
};

absl::StatusOr<HostPort> ParseAddress(std::string_view address) {
  const auto invalid = [&] {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                            "HTTP address \"{}\" is not HOST:PORT, such as 127.0.0.1:8002 or [::]:8002", address);
  };
  const size_t colon = address.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return invalid();
  std::string_view host = address.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  } else if (host.find_first_of(":[]") != std::string_view::npos) {
    return invalid();  // IPv6 without brackets would be ambiguous
  }
  const std::string_view digits = address.substr(colon + 1);
  HostPort result{std::string(host), 0};
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), result.port);
  if (error != std::errc() || end != digits.data() + digits.size() || result.port < 0 || result.port > 65535) {
    return invalid();
  }
  return result;
}

// SO_REUSEADDR alone: a restarted server gets its port back at once, and unlike with httplib's
// default SO_REUSEPORT a second server on the port fails instead of taking half of its connections.
void SetSocketOptions(socket_t socket) {
  const int on = 1;
  setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
}

class HttplibServer final : public HttpServer {
 public:
  explicit HttplibServer(Callbacks callbacks) : callbacks_(std::move(callbacks)) {
    server_.new_task_queue = [] { return new httplib::ThreadPool(kThreads); };
    server_.set_socket_options(SetSocketOptions);
    server_.set_keep_alive_timeout(kKeepAliveSeconds);
    server_.set_keep_alive_max_count(kRequestsPerConnection);
    server_.set_read_timeout(kReadTimeoutSeconds);
    server_.set_write_timeout(kWriteTimeoutSeconds);
    server_.set_payload_max_length(kMaxPayloadBytes);
    AddRoutes();
  }

  ~HttplibServer() override { Stop(); }

  absl::Status Listen(const HostPort& address) {
    errno = 0;
    port_ = address.port;
    if (address.port == 0) {
      port_ = server_.bind_to_any_port(address.host);
    } else if (!server_.bind_to_port(address.host, address.port)) {
      port_ = -1;
    }
    if (port_ < 0) {
      return base::MakeStatus(absl::StatusCode::kUnavailable, "cannot listen for HTTP on {}:{}: {}", address.host,
                              address.port, errno != 0 ? std::strerror(errno) : "no such address");
    }
    acceptor_ = std::thread([this] {
      base::NameThisThread("http");  // and so its pool
      server_.listen_after_bind();
      has_ended_ = true;
    });
    // httplib's stop() does nothing before its loop runs, and Stop would then wait for ever.
    while (!server_.is_running() && !has_ended_) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    if (!has_ended_) return absl::OkStatus();
    return base::MakeStatus(absl::StatusCode::kUnavailable, "no HTTP connection can be accepted on {}:{}", address.host,
                            port_);
  }

  int port() const override { return port_; }

  void Stop() override {
    if (!acceptor_.joinable()) return;
    server_.stop();
    acceptor_.join();
  }

 private:
  void AddRoutes() {
    server_.Get("/metrics", [this](const httplib::Request&, httplib::Response& response) {
      response.set_content(callbacks_.metrics(), kPrometheusText);
    });
    server_.Get("/livez",
                [](const httplib::Request&, httplib::Response& response) { response.set_content("ok\n", kPlainText); });
    server_.Get("/readyz", [this](const httplib::Request&, httplib::Response& response) {
      const std::string reason = callbacks_.not_ready_reason();
      response.status = reason.empty() ? 200 : 503;
      const std::string degraded = callbacks_.degraded ? callbacks_.degraded() : "";
      response.set_content((reason.empty() ? "ok" : reason) + "\n" + degraded, kPlainText);
    });
    server_.set_error_handler([](const httplib::Request&, httplib::Response& response) {
      if (response.status == 404) {
        response.set_content("not found: here are /metrics, /livez and /readyz\n", kPlainText);
      }
    });
    // httplib's own would show the exception's text in a header.
    server_.set_exception_handler([](const httplib::Request&, httplib::Response& response, std::exception_ptr) {
      response.status = 500;
      response.set_content("internal error\n", kPlainText);
    });
  }

  const Callbacks callbacks_;
  httplib::Server server_;
  int port_ = -1;
  std::thread acceptor_;
  std::atomic<bool> has_ended_{false};  // the acceptor
};

}  // namespace

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(const std::string& address, Callbacks callbacks) {
  FERRY_ASSIGN_OR_RETURN(const HostPort host_port, ParseAddress(address));
  auto server = std::make_unique<HttplibServer>(std::move(callbacks));
  FERRY_RETURN_IF_ERROR(server->Listen(host_port));
  return server;
}

}  // namespace torchferry::http
