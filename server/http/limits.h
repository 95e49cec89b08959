// What one client of the HTTP listener may hold, and for how long.
#pragma once

#include <chrono>
#include <cstddef>

namespace torchferry::http {

struct Limits {
  // When there are so many, the next one takes the place of another (connection_table.h). One is a descriptor and a few
  // KiB.
  size_t max_connections = 256;
  // Request line and headers. More is 431. A body of any size is 413.
  size_t max_header_bytes = 8192;
  // From the first byte to the last of a request, and from accepting a connection to its first request.
  std::chrono::milliseconds header_time{5000};
  // Without a request on a connection that had one. Longer than the usual scrape interval.
  std::chrono::milliseconds idle_time{75000};
  // For a page to be rendered; then 503.
  std::chrono::milliseconds render_time{10000};
  // For all of a response to be taken by the client.
  std::chrono::milliseconds write_time{10000};
  // After a response that ends the connection: for what the client still sends, which is dropped.
  std::chrono::milliseconds linger_time{1000};
  size_t max_linger_bytes = size_t{256} << 10;
  size_t max_requests_per_connection = 1000;
  // Rendered pages in memory at the same time. When slow clients hold so many, the newest is given again.
  size_t max_pages = 4;
};

}  // namespace torchferry::http
