// A file whose digest is on a list, and which gives the bytes of that digest and no others, whatever is written to it
// meanwhile.
#pragma once

#include <absl/status/statusor.h>

#include <memory>

#include "server/checkpoint/file.h"
#include "server/checkpoint/trusted_digests.h"

namespace torchferry::checkpoint {

// Reads `file` once from end to end and holds its SHA-256 against `trusted`. Of each piece of 256 KiB the digest is
// kept, 32 bytes; each later Read holds the pieces that it reads against these before it gives a byte. So no copy of
// the file is needed, and bytes that were changed in between are never parsed: Read then gives DATA_LOSS.
// FAILED_PRECONDITION: not listed. Else errors of File::Read.
absl::StatusOr<std::shared_ptr<const File>> VerifyFile(std::shared_ptr<const File> file, const TrustedDigests& trusted);

}  // namespace torchferry::checkpoint
