// A file whose digest is on a list. It gives the bytes of that digest and no others, even if the file is written to
// later.
#pragma once

#include <absl/status/statusor.h>

#include <memory>

#include "server/checkpoint/file.h"
#include "server/checkpoint/trusted_digests.h"

namespace torchferry::checkpoint {

// Reads `file` once from end to end and checks its SHA-256 against `trusted`. It keeps a digest of 32 bytes for each
// piece of 256 KiB. Each later Read checks the pieces that it reads against these before it gives a byte. No copy of
// the file is needed, and bytes that were changed are never parsed: Read then gives DATA_LOSS. FAILED_PRECONDITION: not
// listed. Else errors of File::Read.
absl::StatusOr<std::shared_ptr<const File>> VerifyFile(std::shared_ptr<const File> file, const TrustedDigests& trusted);

}  // namespace torchferry::checkpoint
