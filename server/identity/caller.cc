#include "server/identity/caller.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>

#include "server/base/peer_group.h"
#include "server/base/status.h"
#include "server/base/utf8.h"

namespace torchferry::identity {
namespace {

// Names are of any length, with any bytes, until they have been checked.
constexpr size_t kMaxShownBytes = 64;

// The host of "HOST:PORT", where HOST may be in brackets, and these written as a URI writes them.
std::string HostOf(std::string_view address) {
  std::string host(address.substr(0, address.rfind(':')));
  for (const std::string_view open : {"[", "%5B", "%5b"}) {
    if (host.starts_with(open)) host.erase(0, open.size());
  }
  for (const std::string_view close : {"]", "%5D", "%5d"}) {
    if (host.ends_with(close)) host.resize(host.size() - close.size());
  }
  return host.substr(0, host.find('%'));  // without the scope
}

template <typename Address>
std::string GroupOf(const Address& address) {
  return base::PeerGroupOf(reinterpret_cast<const sockaddr&>(address), sizeof(address));
}

}  // namespace

bool MatchesGlob(std::string_view glob, std::string_view name) {
  size_t at = 0;                         // in `glob`
  size_t star = std::string_view::npos;  // the last "*" that was passed
  size_t from = 0;                       // in `name`, where what follows it was tried
  for (size_t i = 0; i < name.size();) {
    if (at < glob.size() && glob[at] == '*') {
      star = at++;
      from = i;
    } else if (at < glob.size() && (glob[at] == '?' || glob[at] == name[i])) {
      ++at;
      ++i;
    } else if (star != std::string_view::npos) {
      at = star + 1;
      i = ++from;
    } else {
      return false;
    }
  }
  return glob.find_first_not_of('*', at) == std::string_view::npos;
}

std::string PeerGroup(std::string_view peer) {
  const std::string host = HostOf(peer.substr(std::min(peer.find(':'), peer.size() - 1) + 1));
  if (peer.starts_with("ipv4:")) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    if (inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) return GroupOf(v4);
  }
  if (peer.starts_with("ipv6:")) {
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    if (inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) == 1) return GroupOf(v6);
  }
  return "local";
}

std::string Caller::Client() const {
  return identity_ == nullptr ? "host " + PeerGroup(peer_) : "identity " + identity_->name;
}

bool Caller::MaySee(std::string_view model) const {
  if (!is_restricted_) return true;
  return identity_ != nullptr &&
         std::ranges::any_of(identity_->models, [model](const std::string& glob) { return MatchesGlob(glob, model); });
}

absl::Status Caller::CheckModel(std::string_view model) const {
  if (MaySee(model)) return absl::OkStatus();
  return base::MakeStatus(absl::StatusCode::kPermissionDenied,
                          "the identity \"{}\" may not use the model \"{}\": ask the operator of the server", name(),
                          base::Excerpt(model, kMaxShownBytes));
}

}  // namespace torchferry::identity
