// The authorities whose certificates are taken from the other side.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <vector>

#include "server/tls/pem.h"
#include "server/tls/validity.h"

namespace torchferry::tls {

// The file's certificates as PEM; of those that are not valid `now` a warning each. INVALID_ARGUMENT: there is none,
// one is damaged, or none is valid.
absl::StatusOr<std::string> CheckAuthorities(const NamedText& file, Date now, std::vector<std::string>& warnings);

}  // namespace torchferry::tls
