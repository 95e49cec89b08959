#include "server/app/port_file.h"

#include <fmt/format.h>

#include <cstdio>
#include <fstream>

#include "server/base/json.h"
#include "server/base/status.h"

namespace torchferry::app {
namespace {

bool WriteFile(const std::string& path, const std::string& text) {
  std::ofstream out(path);
  out << text;
  out.close();
  return static_cast<bool>(out);
}

}  // namespace

std::string PortFileText(const BoundAddresses& addresses) {
  std::string text = fmt::format("{{\"grpc_address\":{},\"metrics_address\":{}", base::JsonQuote(addresses.grpc),
                                 base::JsonQuote(addresses.metrics));
  if (!addresses.admin.empty()) text += fmt::format(",\"admin_address\":{}", base::JsonQuote(addresses.admin));
  return text + "}\n";
}

absl::Status WritePortFile(const std::string& path, const BoundAddresses& addresses) {
  const std::string partial = path + ".partial";
  if (WriteFile(partial, PortFileText(addresses)) && std::rename(partial.c_str(), path.c_str()) == 0) {
    return absl::OkStatus();
  }
  std::remove(partial.c_str());
  return base::MakeStatus(absl::StatusCode::kUnavailable, "cannot write --port-file {}", path);
}

}  // namespace torchferry::app
