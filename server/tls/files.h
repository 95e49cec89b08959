// The files that --tls-cert, --tls-key and --tls-client-ca name.
#pragma once

#include <absl/status/statusor.h>

#include <string>

#include "server/tls/credentials.h"

namespace torchferry::tls {

// Paths of this host.
struct Files {
  std::string certificate;
  std::string key;
  std::string client_ca;  // empty: none
};

// Reads the file at `path`, and follows links. Messages call it "FLAG PATH". FAILED_PRECONDITION: it cannot be read.
absl::StatusOr<NamedText> ReadFile(const char* flag, const std::string& path);

// The files' contents as they are now, with links followed. FAILED_PRECONDITION names the file that cannot be read, and
// why.
absl::StatusOr<Texts> ReadFiles(const Files& files);

// A sentence when others than the owner and the group may read the key; otherwise empty.
std::string WhyKeyIsOpen(const Files& files);

}  // namespace torchferry::tls
