// The sockets that listen on one address.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <string>
#include <vector>

namespace torchferry::rpc {

class ListenSockets {
 public:
  // Listens on each address of HOST:PORT, "[::1]:8001" of an IPv6 one; on all of one port, and with port 0 on a free
  // one. 0.0.0.0 and [::] are all addresses of this host, IPv6 too where there is it. UNAVAILABLE, with the reason
  // alone, when there is none that can be listened on, another server having it, say; INVALID_ARGUMENT when it is no
  // address.
  static absl::StatusOr<ListenSockets> Open(const std::string& address);

  ~ListenSockets() { Close(); }
  ListenSockets(ListenSockets&& other) noexcept;
  ListenSockets& operator=(ListenSockets&& other) noexcept;
  ListenSockets(const ListenSockets&) = delete;
  ListenSockets& operator=(const ListenSockets&) = delete;

  const std::vector<int>& descriptors() const { return descriptors_; }
  int port() const { return port_; }
  void Close();

 private:
  ListenSockets() = default;

  std::vector<int> descriptors_;  // non-blocking
  int port_ = 0;
};

}  // namespace torchferry::rpc
