// The sockets that listen on one address.
#pragma once

#include <absl/status/statusor.h>
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "server/base/unix_socket.h"

namespace torchferry::rpc {

class ListenSockets {
 public:
  static constexpr mode_t kOwnersAlone = 0600;

  // Listens on each address of HOST:PORT; an IPv6 address is written "[::1]:8001". All sockets have one port; port 0
  // takes a free one. 0.0.0.0 and [::] are all addresses of this host, with IPv6 where the host has it. On unix:PATH
  // there is one socket, whose file has the permissions `unix_mode` (base/unix_socket.h). UNAVAILABLE, with the reason
  // alone: no address can be listened on, for example because another server has it. INVALID_ARGUMENT: it is no
  // address.
  static absl::StatusOr<ListenSockets> Open(const std::string& address, mode_t unix_mode = kOwnersAlone);

  ~ListenSockets() { Close(); }
  ListenSockets(ListenSockets&& other) noexcept;
  ListenSockets& operator=(ListenSockets&& other) noexcept;
  ListenSockets(const ListenSockets&) = delete;
  ListenSockets& operator=(const ListenSockets&) = delete;

  const std::vector<int>& descriptors() const { return descriptors_; }
  int port() const { return port_; }  // 0 for unix:PATH
  void Close();

 private:
  ListenSockets() = default;
  static absl::StatusOr<ListenSockets> OpenUnix(const std::string& path, mode_t mode);

  std::vector<int> descriptors_;  // non-blocking; closed here, except that of `unix_`
  std::optional<base::UnixListener> unix_;
  int port_ = 0;
};

}  // namespace torchferry::rpc
