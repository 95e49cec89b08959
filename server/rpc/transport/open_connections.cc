#include "server/rpc/transport/open_connections.h"

#include <sys/stat.h>

namespace torchferry::rpc {

ConnectionVerdict OpenConnections::Judge(const std::string& peer) const {
  if (IsFull()) return ConnectionVerdict::kTooMany;
  const auto found = peers_.find(peer);
  const size_t of_peer = found == peers_.end() ? 0 : found->second;
  return of_peer >= limits_.per_peer ? ConnectionVerdict::kTooManyOfPeer : ConnectionVerdict::kAccept;
}

void OpenConnections::Add(int descriptor, uint64_t inode, const std::string& peer) {
  const auto [at, is_new] = connections_.try_emplace(descriptor);
  if (!is_new) Forget(at->second.peer);
  at->second = {inode, peer};
  ++peers_[peer];
}

void OpenConnections::Sweep() {
  std::erase_if(connections_, [this](const auto& entry) {
    const auto& [descriptor, connection] = entry;
    if (is_open_(descriptor, connection.inode)) return false;
    Forget(connection.peer);
    return true;
  });
}

void OpenConnections::Forget(const std::string& peer) {
  const auto found = peers_.find(peer);
  if (--found->second == 0) peers_.erase(found);
}

uint64_t SocketInode(int descriptor) {
  struct stat about {};
  return fstat(descriptor, &about) == 0 && S_ISSOCK(about.st_mode) ? about.st_ino : 0;
}

bool IsSocketOpen(int descriptor, uint64_t inode) { return inode != 0 && SocketInode(descriptor) == inode; }

}  // namespace torchferry::rpc
