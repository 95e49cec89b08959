#include "server/app/port_file.h"

#include <fmt/format.h>

#include "server/base/atomic_file.h"
#include "server/base/json.h"
#include "server/base/status.h"
#include "server/base/unix_socket.h"

namespace torchferry::app {

std::string BoundAddress(const std::string& address, int port) {
  if (const auto path = base::UnixPathOf(address); path.has_value()) return "unix:" + *path;
  return fmt::format("{}:{}", address.substr(0, address.rfind(':')), port);
}

std::string PortFileText(const BoundAddresses& addresses) {
  std::string text = fmt::format("{{\"grpc_address\":{},\"metrics_address\":{}", base::JsonQuote(addresses.grpc),
                                 base::JsonQuote(addresses.metrics));
  if (!addresses.admin.empty()) text += fmt::format(",\"admin_address\":{}", base::JsonQuote(addresses.admin));
  return text + "}\n";
}

absl::Status WritePortFile(const std::string& path, const BoundAddresses& addresses) {
  return base::Annotate(base::WriteFileAtomically(path, PortFileText(addresses), base::Durability::kProcess),
                        "--port-file");
}

}  // namespace torchferry::app
