// Small files that the server writes: whole or not at all, and never through somebody else's link.
#pragma once

#include <absl/status/status.h>

#include <string>
#include <string_view>

namespace torchferry::base {

enum class Durability {
  kProcess,  // survives the end of this process
  kHost,     // survives the end of the host, too; takes as long as the disk
};

// Puts `text` into the file `path`, in place of what is there: a link there is replaced, not followed. Who reads sees
// the whole text or what was there before. It is written beside, as a file that was not there, and renamed. Others may
// read it, as the umask says. UNAVAILABLE, naming `path`, when it cannot be written; nothing is left behind then.
absl::Status WriteFileAtomically(const std::string& path, std::string_view text, Durability durability);

}  // namespace torchferry::base
