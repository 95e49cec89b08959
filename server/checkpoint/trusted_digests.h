// The SHA-256 digests of the files that may be loaded, as `sha256sum FILE...` lists them: --trusted-digests.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "server/checkpoint/sha256.h"

namespace torchferry::checkpoint {

// Immutable: the list as it was when it was read.
class TrustedDigests {
 public:
  // A line for each file: 64 hexadecimal digits, a space, a space or an asterisk, a name. Names are for people: a
  // listed digest is trusted wherever its file is. Empty lines and lines that begin with # are passed over. Messages
  // call the list `name`. INVALID_ARGUMENT names a line of another form, or the limit (limits.h, "digests").
  static absl::StatusOr<TrustedDigests> Parse(std::string_view text, std::string name);

  // Does Parse for the file at `path`, on this host. The list's name is the last part of the path. Errors of File::Open
  // too.
  static absl::StatusOr<std::shared_ptr<const TrustedDigests>> Read(const std::string& path);

  bool Has(const Sha256Digest& digest) const;

  // FAILED_PRECONDITION unless the digest is listed. `file` is the message's name for the digest's file.
  absl::Status Check(const Sha256Digest& digest, std::string_view file) const;

  const std::string& name() const { return name_; }
  size_t size() const { return digests_.size(); }  // each once

 private:
  TrustedDigests(std::string name, std::vector<Sha256Digest> digests);

  std::string name_;
  std::vector<Sha256Digest> digests_;  // sorted
};

}  // namespace torchferry::checkpoint
