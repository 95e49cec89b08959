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

  // Listens on each address of HOST:PORT, "[::1]:8001" of an IPv6 one; on all of one port, and with port 0 on a free
  // one. 0.0.0.0 and [::] are all addresses of this host, IPv6 too where there is it. UNAVAILABLE, with the reason
  // alone, when there is none that can be listened on, another server having it, say; INVALID_ARGUMENT when it is no
  // address. On unix:PATH there is one, whose file has the permissions `unix_mode` (base/unix_socket.h).
  static absl::StatusOr<ListenSockets> Open(const std::string& address, mode_t unix_mode = kOwnersAlone);

  ~ListenSockets() { Close(); }
  ListenSockets(ListenSockets&& other) noexcept;
  ListenSockets& operator=(ListenSockets&& other) noexcept;
  ListenSockets(const ListenSockets&) = delete;
  ListenSockets& operator=(const ListenSockets&) = delete;

  const std::vector<int>& descriptors() const { return descriptors_; }
  int port() const { return port_; }  // 0 of unix:PATH
  void Close();

 private:
  ListenSockets() = default;
  static absl::StatusOr<ListenSockets> OpenUnix(const std::string& path, mode_t mode);

  std::vector<int> descriptors_;  // non-blocking; these are closed here, but for that of `unix_`
  std::optional<base::UnixListener> unix_;
  int port_ = 0;
};

}  // namespace torchferry::rpc
