#include "server/registry/load_limit.h"

#include "server/base/status.h"

namespace torchferry::registry {

absl::Status LoadDoesNotEnd(base::Duration so_far, base::Duration limit) {
  return base::MakeStatus(absl::StatusCode::kDeadlineExceeded,
                          "the load does not end: it has run for {:.1f} s, its limit is {:g} s, and cannot be "
                          "interrupted. Allow more time with parameter load_timeout_seconds in config.pbtxt, or mend "
                          "the model's code. Its memory is free when it ends, or when the server is restarted",
                          base::ToSeconds(so_far), base::ToSeconds(limit));
}

}  // namespace torchferry::registry
