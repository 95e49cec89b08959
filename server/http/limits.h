// The limits of the HTTP listener: what clients may hold, and for how long.
#pragma once

#include <chrono>
#include <cstddef>

namespace torchferry::http {

struct Limits {
  // At this number, a new connection takes the place of another (connection_table.h). Each costs a descriptor and a few
  // KiB.
  size_t max_connections = 256;
  // Max size of the request line and headers. More is answered with 431, a body of any size with 413.
  size_t max_header_bytes = 8192;
  // Max time from a request's first byte to its last. The first request's time begins when the connection is accepted.
  std::chrono::milliseconds header_time{5000};
  // Max time without a request on a connection that had one. It is longer than the usual scrape interval.
  std::chrono::milliseconds idle_time{75000};
  // Max time to render a page; then the answer is 503.
  std::chrono::milliseconds render_time{10000};
  // Max time for the client to take all of a response.
  std::chrono::milliseconds write_time{10000};
  // Max time after a response that ends the connection. The client's further bytes are dropped meanwhile.
  std::chrono::milliseconds linger_time{1000};
  size_t max_linger_bytes = size_t{256} << 10;
  size_t max_requests_per_connection = 1000;
  // Max rendered pages in memory at the same time. When slow clients hold this number, the newest page is sent again.
  size_t max_pages = 4;
};

}  // namespace torchferry::http
