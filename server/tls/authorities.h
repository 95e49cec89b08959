// Checks the authorities whose certificates the other side may show.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <vector>

#include "server/tls/pem.h"
#include "server/tls/validity.h"

namespace torchferry::tls {

// The file's certificates as PEM. Each one that is not valid `now` adds a warning. INVALID_ARGUMENT: the file has no
// certificate, one is damaged, or none is valid.
absl::StatusOr<std::string> CheckAuthorities(const NamedText& file, Date now, std::vector<std::string>& warnings);

}  // namespace torchferry::tls
