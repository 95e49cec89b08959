// The HTTP listener: /metrics for Prometheus, /livez and /readyz for probes that speak plain HTTP.
#pragma once

#include <absl/status/statusor.h>

#include <functional>
#include <memory>
#include <string>

#include "server/http/limits.h"
#include "server/http/tls_options.h"

namespace torchferry::http {

// HTTP/1.1, GET and HEAD alone, and no request with a body. One thread has all connections, so that a slow one holds
// nobody up; the page of metrics is made on another (page_renderer.h). What a client may hold is bounded (limits.h).
//
// Start makes the threads, Stop (or the destructor) joins them. The callbacks run on those threads: `metrics` on its
// own, the others on that of the connections, so they return at once.
class HttpServer {
 public:
  struct Callbacks {
    std::function<std::string()> metrics;  // the body of /metrics, Prometheus text format 0.0.4
    // Empty when ready, otherwise why not: the body of a 503.
    std::function<std::string()> not_ready_reason;
    // What is not as it should be, the server being ready or not: further lines of that body. Null: nothing ever is.
    std::function<std::string()> degraded = nullptr;
  };

  // `address` is HOST:PORT; port 0 takes a free one. UNAVAILABLE when it cannot be bound, INVALID_ARGUMENT when it
  // is not an address. With `tls` it takes HTTPS alone.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(const std::string& address, Callbacks callbacks,
                                                           const Limits& limits = {}, const TlsOptions& tls = {});

  virtual ~HttpServer() = default;
  virtual int port() const = 0;
  // Answers that runs get a second. Waits for a page that is being made.
  virtual void Stop() = 0;
};

}  // namespace torchferry::http
