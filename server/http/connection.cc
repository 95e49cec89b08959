#include "server/http/connection.h"

#include <boost/asio/socket_base.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>
#include <utility>

namespace torchferry::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using beast::http::status;

constexpr char kPlainText[] = "text/plain; charset=utf-8";
constexpr char kMethods[] = "GET, HEAD";

// Beast's HTTP/1 parser has more to say than 400.
status StatusOf(const beast::error_code& error) {
  if (error == beast::http::error::header_limit || error == beast::http::error::buffer_overflow) {
    return status::request_header_fields_too_large;
  }
  if (error == beast::http::error::body_limit || error == beast::http::error::unexpected_body) {
    return status::payload_too_large;
  }
  return status::bad_request;
}

bool IsTheClients(const beast::error_code& error) {
  return error.category() == make_error_code(beast::http::error::bad_version).category() &&
         error != beast::http::error::end_of_stream && error != beast::http::error::partial_message;
}

}  // namespace

Connection::Connection(asio::ip::tcp::socket socket, const Stream::TlsContext& tls, uint64_t id, std::string peer,
                       const Limits& limits, Owner& owner)
    : limits_(limits),
      owner_(owner),
      occupant_{.id = id, .peer = std::move(peer), .stage = Stage::kReading, .since = owner.NextNumber()},
      stream_(std::move(socket), tls),
      render_timer_(stream_.get_executor()),
      buffer_(limits.max_header_bytes) {}

void Connection::Enter(Stage stage) {
  occupant_.stage = stage;
  occupant_.since = owner_.NextNumber();
}

void Connection::Start() {
  if (!stream_.has_tls()) return BeginRequest();
  stream_.tcp().expires_after(limits_.header_time);  // for both
  stream_.Handshake([self = shared_from_this()](beast::error_code error) {
    if (error || self->is_closed_) return self->Close();
    self->ReadHeader();
  });
}

void Connection::BeginRequest() {
  stream_.tcp().expires_after(limits_.header_time);
  ReadHeader();
}

void Connection::AwaitRequest() {
  if (buffer_.size() > 0) return BeginRequest();  // it has come with the one before
  Enter(Stage::kIdle);
  stream_.tcp().expires_after(limits_.idle_time);
  stream_.async_read_some(buffer_.prepare(limits_.max_header_bytes),
                          [self = shared_from_this()](beast::error_code error, size_t bytes) {
                            if (error || self->is_closed_) return self->Close();
                            self->buffer_.commit(bytes);
                            self->BeginRequest();
                          });
}

void Connection::ReadHeader() {
  Enter(Stage::kReading);
  request_.emplace();
  request_->header_limit(static_cast<uint32_t>(limits_.max_header_bytes));
  beast::http::async_read_header(
      stream_, buffer_, *request_,
      [self = shared_from_this()](beast::error_code error, size_t) { self->OnHeader(error); });
}

void Connection::OnHeader(beast::error_code error) {
  if (is_closed_) return;
  if (!error) return Take();
  if (!IsTheClients(error)) return Close();  // it has gone, or its time is over
  Refuse(StatusOf(error), error == beast::http::error::header_limit || error == beast::http::error::buffer_overflow
                              ? "the request line and headers are too long"
                              : "this is no HTTP/1.1 request: " + error.message());
}

void Connection::Take() {
  const auto& request = request_->get();
  const bool has_encoding = request.find(beast::http::field::transfer_encoding) != request.end();
  if (has_encoding || request_->content_length().value_or(0) > 0) {
    return Refuse(status::payload_too_large, "no request here has a body");
  }
  is_head_ = request.method() == beast::http::verb::head;
  if (request.method() != beast::http::verb::get && !is_head_) {
    return Refuse(status::method_not_allowed, "the method is not one of GET and HEAD");
  }
  is_kept_ = request.keep_alive() && ++requests_ < limits_.max_requests_per_connection;
  Enter(Stage::kAnswering);
  is_waiting_ = true;
  stream_.tcp().expires_never();
  render_timer_.expires_after(limits_.render_time);
  render_timer_.async_wait([self = shared_from_this()](beast::error_code cancelled) {
    if (!cancelled && self->is_waiting_) self->Refuse(status::service_unavailable, "the page takes too long to make");
  });
  const std::string_view target(request.target().data(), request.target().size());
  owner_.Answer(shared_from_this(), target.substr(0, target.find_first_of("?#")));
}

void Connection::Refuse(status why, std::string_view text) {
  is_waiting_ = true;
  Write({.status = why,
         .content_type = kPlainText,
         .body = std::make_shared<const std::string>(std::string(text) + "\n"),
         .ends_connection = true});
}

void Connection::Write(Reply reply) {
  if (is_closed_ || !is_waiting_) return;
  is_waiting_ = false;
  render_timer_.cancel();
  Enter(Stage::kAnswering);
  reply_ = std::move(reply);
  is_kept_ = is_kept_ && !reply_.ends_connection && !ends_soon_;
  response_.emplace(reply_.status, 11);
  response_->set(beast::http::field::content_type,
                 beast::string_view(reply_.content_type.data(), reply_.content_type.size()));
  if (reply_.status == status::method_not_allowed) response_->set(beast::http::field::allow, kMethods);
  response_->body() = {reply_.body->data(), reply_.body->size()};
  response_->content_length(reply_.body->size());
  response_->keep_alive(is_kept_);
  serializer_.emplace(*response_);
  stream_.tcp().expires_after(limits_.write_time);
  SetAbort(true);
  const auto written = [self = shared_from_this()](beast::error_code error, size_t) { self->OnWritten(error); };
  if (is_head_) {
    beast::http::async_write_header(stream_, *serializer_, written);
  } else {
    beast::http::async_write(stream_, *serializer_, written);
  }
}

void Connection::OnWritten(beast::error_code error) {
  serializer_.reset();
  response_.reset();
  reply_ = {};
  if (error || is_closed_) return Close();
  SetAbort(false);
  if (ends_soon_) return Close();
  if (is_kept_) return AwaitRequest();
  // Closing with bytes unread would make the kernel take back the answer.
  Enter(Stage::kEnding);
  stream_.tcp().expires_after(limits_.linger_time);
  buffer_.clear();
  if (!stream_.has_tls()) return EndSending();
  stream_.EndTls([self = shared_from_this()](beast::error_code /*of a client that goes on sending*/) {
    if (!self->is_closed_) self->EndSending();
  });
}

void Connection::EndSending() {
  beast::error_code error;
  stream_.tcp().socket().shutdown(asio::ip::tcp::socket::shutdown_send, error);
  if (error) return Close();
  Linger(0);
}

void Connection::SetAbort(bool aborts) {
  beast::error_code ignored;
  stream_.tcp().socket().set_option(asio::socket_base::linger(aborts, 0), ignored);
}

void Connection::Linger(size_t dropped) {
  if (dropped > limits_.max_linger_bytes) return Close();
  stream_.tcp().async_read_some(buffer_.prepare(limits_.max_header_bytes),
                                [self = shared_from_this(), dropped](beast::error_code error, size_t bytes) {
                                  if (error || self->is_closed_) return self->Close();
                                  self->Linger(dropped + bytes);
                                });
}

void Connection::CloseSoon() {
  if (occupant_.stage != Stage::kAnswering) return Close();
  ends_soon_ = true;
}

void Connection::Close() {
  if (std::exchange(is_closed_, true)) return;
  is_waiting_ = false;
  render_timer_.cancel();
  stream_.tcp().close();
  owner_.Ended(occupant_.id);
}

}  // namespace torchferry::http
