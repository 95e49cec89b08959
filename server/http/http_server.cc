// The HTTP listener over Asio and Beast (docs/adr/0014-edges-of-our-own.md).
#include "server/http/http_server.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <exception>
#include <map>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "server/base/logging.h"
#include "server/base/peer_group.h"
#include "server/base/status.h"
#include "server/base/thread_name.h"
#include "server/http/connection.h"
#include "server/http/connection_table.h"
#include "server/http/listen_address.h"
#include "server/http/page_renderer.h"
#include "server/http/tls_context.h"

namespace torchferry::http {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::beast::http::status;
using Error = boost::system::error_code;

constexpr char kPlainText[] = "text/plain; charset=utf-8";
constexpr char kPrometheusText[] = "text/plain; version=0.0.4; charset=utf-8";
constexpr std::chrono::milliseconds kAcceptPause{50};  // when there is no descriptor, or no memory
constexpr std::chrono::seconds kStopPatience{1};

Reply Text(status code, std::string text) {
  return {.status = code, .content_type = kPlainText, .body = std::make_shared<const std::string>(std::move(text))};
}

class AsioServer final : public HttpServer, public Connection::Owner {
 public:
  AsioServer(Callbacks callbacks, const Limits& limits, const TlsOptions& tls)
      : callbacks_(std::move(callbacks)), limits_(limits), tls_(tls), renderer_(callbacks_.metrics, limits.max_pages) {}

  ~AsioServer() override { Stop(); }
  AsioServer(const AsioServer&) = delete;
  AsioServer& operator=(const AsioServer&) = delete;

  absl::Status Listen(const ListenAddress& address) {
    Error error;
    tcp::resolver resolver(io_);
    const auto found = resolver.resolve(address.host, std::to_string(address.port), tcp::resolver::passive, error);
    if (!error) error = asio::error::address_family_not_supported;  // unless there is one
    for (const auto& entry : found) {
      if (Bind(entry.endpoint(), error)) break;
    }
    if (error) {
      return base::MakeStatus(absl::StatusCode::kUnavailable, "cannot listen for HTTP on {}:{}: {}", address.host,
                              address.port, error.message());
    }
    port_ = acceptor_.local_endpoint().port();
    Accept();
    thread_ = std::thread([this] {
      base::NameThisThread("http");
      Run();
    });
    return absl::OkStatus();
  }

  int port() const override { return port_; }

  void Stop() override {
    if (thread_.joinable()) {
      asio::post(io_, [this] { BeginStop(); });
      thread_.join();
    }
    renderer_.Stop();
  }

 private:
  bool Bind(const tcp::endpoint& endpoint, Error& error) {
    acceptor_ = tcp::acceptor(io_);
    acceptor_.open(endpoint.protocol(), error);
    // SO_REUSEADDR alone: a restarted server gets its port back at once, and a second server on the port fails.
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
    if (!error) acceptor_.non_blocking(true, error);
    return !error;
  }

  // Accepts only when somebody waits. Without a free descriptor accept fails at once, even when nobody does.
  void Accept() {
    acceptor_.async_wait(tcp::acceptor::wait_read, [this](const Error& cancelled) {
      if (!cancelled && acceptor_.is_open()) AcceptOne();
    });
  }

  void AcceptOne() {
    Error error;
    tcp::socket socket = acceptor_.accept(error);
    if (error == asio::error::no_descriptors || error == asio::error::no_buffer_space ||
        error == asio::error::no_memory || error == boost::system::errc::too_many_files_open_in_system) {
      // One's place for the next, and some time for the rest of the process.
      MakeRoom();
      pause_.expires_after(kAcceptPause);
      pause_.async_wait([this](const Error& cancelled) {
        if (!cancelled && acceptor_.is_open()) Accept();
      });
      return;
    }
    Accept();
    if (!error) Add(std::move(socket));
  }

  void Add(tcp::socket socket) {
    Error error;
    tcp::endpoint peer = socket.remote_endpoint(error);
    if (error) return;  // it has gone
    if (connections_.size() >= limits_.max_connections) MakeRoom();
    const uint64_t id = NextNumber();
    auto connection = std::make_shared<Connection>(std::move(socket), tls_.Current(), id,
                                                   base::PeerGroupOf(*peer.data(), static_cast<socklen_t>(peer.size())),
                                                   limits_, *this);
    connections_.emplace(id, connection);
    connection->Start();
  }

  void MakeRoom() {
    std::vector<Occupant> occupants;
    occupants.reserve(connections_.size());
    for (const auto& [id, connection] : connections_) occupants.push_back(connection->occupant());
    if (const auto id = ChooseToClose(occupants)) {
      const std::shared_ptr<Connection> chosen = connections_.at(*id);
      chosen->Close();
    }
  }

  uint64_t NextNumber() override { return ++number_; }

  void Ended(uint64_t id) override {
    connections_.erase(id);
    if (is_stopping_ && connections_.empty()) pause_.cancel();
  }

  void Answer(const std::shared_ptr<Connection>& connection, std::string_view path) override {
    if (path == "/metrics") return AskForMetrics(connection);
    try {
      connection->Write(AnswerNow(path));
    } catch (const std::exception& error) {
      base::LogError("a probe cannot be answered", {{"path", std::string(path)}, {"reason", error.what()}});
      connection->Write(Text(status::internal_server_error, "internal error\n"));
    }
  }

  Reply AnswerNow(std::string_view path) const {
    if (path == "/livez") return Text(status::ok, "ok\n");
    if (path != "/readyz") return Text(status::not_found, "not found: here are /metrics, /livez and /readyz\n");
    const std::string reason = callbacks_.not_ready_reason();
    const std::string degraded = callbacks_.degraded ? callbacks_.degraded() : "";
    return Text(reason.empty() ? status::ok : status::service_unavailable,
                (reason.empty() ? "ok" : reason) + "\n" + degraded);
  }

  void AskForMetrics(const std::shared_ptr<Connection>& connection) {
    // By its id, as the connection is the HTTP thread's, its end too.
    renderer_.Ask([this, id = connection->occupant().id](PageRenderer::Page page) {
      asio::post(io_, [this, id, made = std::move(page)] { GiveMetrics(id, made); });
    });
  }

  void GiveMetrics(uint64_t id, const PageRenderer::Page& page) {
    const auto found = connections_.find(id);
    if (found == connections_.end()) return;
    const std::shared_ptr<Connection> connection = found->second;
    connection->Write(page == nullptr ? Text(status::internal_server_error, "internal error\n")
                                      : Reply{.status = status::ok, .content_type = kPrometheusText, .body = page});
  }

  // The thread ends when nothing is left to happen.
  void BeginStop() {
    is_stopping_ = true;
    Error ignored;
    acceptor_.close(ignored);
    pause_.cancel();
    ForEachConnection(&Connection::CloseSoon);
    if (connections_.empty()) return;
    pause_.expires_after(kStopPatience);
    pause_.async_wait([this](const Error&) { ForEachConnection(&Connection::Close); });
  }

  void ForEachConnection(void (Connection::*end)()) {
    const auto connections = connections_;  // which Ended changes
    for (const auto& [id, connection] : connections) (connection.get()->*end)();
  }

  // What a handler throws, for want of memory say, is the end of its connection's turn and of nothing else.
  void Run() {
    while (true) {
      try {
        io_.run();
        return;
      } catch (const std::exception& error) {
        base::LogError("HTTP: a connection was dropped", {{"reason", error.what()}});
      }
    }
  }

  const Callbacks callbacks_;
  const Limits limits_;
  TlsContext tls_;  // the thread's
  int port_ = 0;
  // The thread's, once it runs. The connections go before the context that has their operations.
  asio::io_context io_{1};
  tcp::acceptor acceptor_{io_};
  asio::steady_timer pause_{io_};
  uint64_t number_ = 0;
  bool is_stopping_ = false;
  std::map<uint64_t, std::shared_ptr<Connection>> connections_;
  PageRenderer renderer_;
  std::thread thread_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(const std::string& address, Callbacks callbacks,
                                                              const Limits& limits, const TlsOptions& tls) {
  FERRY_ASSIGN_OR_RETURN(const ListenAddress listen, ParseListenAddress(address));
  auto server = std::make_unique<AsioServer>(std::move(callbacks), limits, tls);
  FERRY_RETURN_IF_ERROR(server->Listen(listen));
  return server;
}

}  // namespace torchferry::http
