// The file that tells other programs the server's addresses.
#pragma once

#include <absl/status/status.h>

#include <string>

namespace torchferry::app {

// Each is HOST:PORT or unix:PATH.
struct BoundAddresses {
  std::string grpc;
  std::string metrics;
  std::string admin;  // empty without admin RPCs
};

// The address of a listener for the flag value `address` that got `port`.
std::string BoundAddress(const std::string& address, int port);

// One line of JSON: {"grpc_address":"…","metrics_address":"…"}, with "admin_address" if that is not empty.
std::string PortFileText(const BoundAddresses& addresses);

// Writes that text into the file `path`. A reader sees the whole file or none, and no link is followed
// (base/atomic_file.h). UNAVAILABLE when it cannot be written; nothing is left behind then.
absl::Status WritePortFile(const std::string& path, const BoundAddresses& addresses);

}  // namespace torchferry::app
