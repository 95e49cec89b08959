#include "server/app/admin_reach.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

namespace torchferry::app {

bool IsOfThisHostAlone(std::string_view address) {
  if (address.starts_with("unix:")) return true;
  std::string host(address.substr(0, address.rfind(':')));
  if (host == "localhost") return true;
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  in_addr v4{};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == IN_LOOPBACKNET;
  in6_addr v6{};
  if (inet_pton(AF_INET6, host.c_str(), &v6) != 1) return false;
  return IN6_IS_ADDR_LOOPBACK(&v6) || (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == IN_LOOPBACKNET);
}

std::string WhyAdminIsOpen(const ServerFlags& flags) {
  const bool has_address = !flags.admin_address.empty();
  const std::string& address = has_address ? flags.admin_address : flags.grpc_address;
  if (!flags.enable_admin || flags.insecure_admin || !flags.identities.empty() || IsOfThisHostAlone(address)) return "";
  return fmt::format(
      "opens loading and unloading to anybody who reaches {} ({}), without an identity. Name the callers with "
      "--identities FILE, keep it on this host with --admin-address 127.0.0.1:8003, or accept it with --insecure-admin",
      address, has_address ? "--admin-address" : "--grpc-address");
}

}  // namespace torchferry::app
