#include "server/rpc/transport/outbox.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>

namespace torchferry::rpc {
namespace {

// A descriptor that is another connection's by now is corked for a moment, which does no harm. Anything else refuses.
void Cork(int descriptor, int on) { setsockopt(descriptor, IPPROTO_TCP, TCP_CORK, &on, sizeof(on)); }

}  // namespace

void Outbox::SendAll() {
  std::ranges::stable_sort(letters_, {}, &Entry::port);
  const Entry* const all_end = letters_.data() + letters_.size();
  for (const Entry* begin = letters_.data(); begin != all_end;) {
    const Entry* const end = std::find_if(begin, all_end, [&](const Entry& one) { return one.port != begin->port; });
    SendTo(begin->port, begin, end);
    begin = end;
  }
  letters_.clear();
}

void Outbox::SendTo(uint16_t port, const Entry* begin, const Entry* end) {
  const int socket = static_cast<size_t>(end - begin) < kWorthwhile ? -1 : sockets_.Of(port);
  if (socket >= 0) Cork(socket, 1);
  for (; begin != end; ++begin) begin->letter->Send();
  if (socket >= 0) Cork(socket, 0);
}

}  // namespace torchferry::rpc
