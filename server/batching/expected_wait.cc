#include "server/batching/expected_wait.h"

#include <chrono>

#include "server/base/refusal.h"
#include "server/base/status.h"

namespace torchferry::batching {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLeastPushback{1};
constexpr milliseconds kMaxPushback{60'000};

}  // namespace

absl::Status WaitStatus(base::Duration earliest, base::Duration left) {
  const milliseconds pushback = std::chrono::ceil<milliseconds>(earliest - left);
  return base::WithPushback(
      base::WithLimit(base::MakeStatus(absl::StatusCode::kUnavailable,
                                       "the requests before this one take {:.3f} s or more, but its deadline is in "
                                       "{:.3f} s; try later, ask another replica or allow more",
                                       base::ToSeconds(earliest), base::ToSeconds(left)),
                      "wait"),
      std::clamp(pushback, kLeastPushback, kMaxPushback));
}

}  // namespace torchferry::batching
