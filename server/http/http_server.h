// The HTTP listener: /metrics for Prometheus, /livez and /readyz for probes that speak plain HTTP.
#pragma once

#include <absl/status/statusor.h>

#include <functional>
#include <memory>
#include <string>

#include "server/http/limits.h"
#include "server/http/tls_options.h"

namespace torchferry::http {

// Serves HTTP/1.1, GET and HEAD only, and no request with a body. One thread has all connections, so a slow one blocks
// no other. The page of metrics is made on another thread (page_renderer.h). Limits bound what a client may hold
// (limits.h).
//
// Start makes the threads, Stop (or the destructor) joins them. The callbacks run on those threads: `metrics` on the
// renderer's, the others on the connections', so they must return at once.
class HttpServer {
 public:
  struct Callbacks {
    std::function<std::string()> metrics;  // the body of /metrics, Prometheus text format 0.0.4
    // Empty when ready, otherwise the reason: the body of a 503.
    std::function<std::string()> not_ready_reason;
    // Further lines of the body of /readyz, whether ready or not: faults of the server. Null: there are never any.
    std::function<std::string()> degraded = nullptr;
  };

  // `address` is HOST:PORT; port 0 takes a free one. UNAVAILABLE when it cannot be bound, INVALID_ARGUMENT when it is
  // not an address. With `tls` it serves HTTPS only.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(const std::string& address, Callbacks callbacks,
                                                           const Limits& limits = {}, const TlsOptions& tls = {});

  virtual ~HttpServer() = default;
  virtual int port() const = 0;
  // Gives answers in flight one second. Waits for a page that is being rendered.
  virtual void Stop() = 0;
};

}  // namespace torchferry::http
