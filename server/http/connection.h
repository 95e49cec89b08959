// One HTTP connection: it reads a request, asks its owner for the answer, writes that, and begins again.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/serializer.hpp>
#include <boost/beast/http/span_body.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "server/http/connection_table.h"
#include "server/http/limits.h"
#include "server/http/stream.h"

namespace torchferry::http {

struct Reply {
  boost::beast::http::status status = boost::beast::http::status::ok;
  std::string_view content_type;  // a constant
  std::shared_ptr<const std::string> body;
  bool ends_connection = false;
};

// Used only on the thread that runs the stream's io_context. It lives while somebody holds it or one of its operations
// is in flight.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  // The owner of connections. It outlives their operations.
  class Owner {
   public:
    // A GET or HEAD for `path` has arrived. The owner calls Write, at once or later.
    virtual void Answer(const std::shared_ptr<Connection>& connection, std::string_view path) = 0;
    // Returns a number that grows, for ChooseToClose.
    virtual uint64_t NextNumber() = 0;
    // The connection was closed, by either side. Called once.
    virtual void Ended(uint64_t id) = 0;

   protected:
    ~Owner() = default;
  };

  // `tls` null: plain text.
  Connection(boost::asio::ip::tcp::socket socket, const Stream::TlsContext& tls, uint64_t id, std::string peer,
             const Limits& limits, Owner& owner);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  const Occupant& occupant() const { return occupant_; }

  // Begins TLS's handshake, if there is one, and reads the first request.
  void Start();
  // Writes the answer to the request that Owner::Answer was given. After limits.render_time the client has got a 503
  // instead, and this does nothing. It also does nothing when the connection has been closed.
  void Write(Reply reply);
  // Closes at once, whatever is in flight.
  void Close();
  // Closes after the answer in flight, or at once without one.
  void CloseSoon();

 private:
  using Request = boost::beast::http::request_parser<boost::beast::http::empty_body>;
  using Response = boost::beast::http::response<boost::beast::http::span_body<const char>>;
  using Serializer = boost::beast::http::response_serializer<boost::beast::http::span_body<const char>>;

  void Enter(Stage stage);
  void AwaitRequest();
  void BeginRequest();
  void ReadHeader();
  void OnHeader(boost::beast::error_code error);
  void Take();
  void Refuse(boost::beast::http::status status, std::string_view why);
  void OnWritten(boost::beast::error_code error);
  void EndSending();
  // Whether closing drops the bytes that the client has not read. The kernel would keep them otherwise.
  void SetAbort(bool aborts);
  // Reads and drops the client's further bytes, without decrypting them. `dropped` bytes were dropped before.
  void Linger(size_t dropped);

  const Limits& limits_;
  Owner& owner_;
  Occupant occupant_;
  Stream stream_;
  boost::asio::steady_timer render_timer_;
  boost::beast::flat_buffer buffer_;
  std::optional<Request> request_;
  Reply reply_;
  std::optional<Response> response_;
  std::optional<Serializer> serializer_;
  size_t requests_ = 0;
  bool is_waiting_ = false;  // for Write
  bool is_head_ = false;
  bool is_kept_ = false;  // stays open after this answer
  bool ends_soon_ = false;
  bool is_closed_ = false;
};

}  // namespace torchferry::http
