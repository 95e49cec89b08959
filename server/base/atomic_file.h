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

// Writes `text` into the file `path`, in place of what is there. A link there is replaced, not followed. A reader sees
// the whole text or the old file. The text is written into a new file beside `path`, which is then renamed. Other users
// may read it as far as the umask allows. UNAVAILABLE, naming `path`, when it cannot be written; nothing is left behind
// then.
absl::Status WriteFileAtomically(const std::string& path, std::string_view text, Durability durability);

}  // namespace torchferry::base
