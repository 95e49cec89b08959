#include "server/serving/stuck_batch.h"

#include <memory>
#include <utility>
#include <vector>

#include "server/base/logging.h"
#include "server/base/status.h"

namespace torchferry::serving {

std::function<void()> WatchedBatch::GiveUp(base::Duration so_far) {
  const double seconds = base::ToSeconds(so_far);
  const double limit = base::ToSeconds(limit_.limit);
  const std::string what = fmt::format(
      "a forward pass of model \"{}\" version {} has run for {:.1f} s, its limit is {:g} s, "
      "and cannot be interrupted",
      limit_.model, limit_.version, seconds, limit);
  runner_.SetStuck(base::MakeStatus(absl::StatusCode::kUnavailable,
                                    "the version is suspect: {}. It serves again when that ends, after LoadModel "
                                    "(--enable-admin), or after a restart of the server; ask another replica",
                                    what));
  const auto answers = std::make_shared<std::vector<QueuedTask::Unanswered>>();
  for (const auto& task : *batch_) answers->push_back(task->TakeAnswer());
  const absl::Status late = base::MakeStatus(
      absl::StatusCode::kDeadlineExceeded,
      "{}; ask for less, or let the server wait longer with parameter forward_timeout_seconds in config.pbtxt", what);
  return [answers, late, scheduler = &scheduler_, model = limit_.model, version = limit_.version, seconds, limit] {
    base::LogError("forward pass does not end", {{"model", model},
                                                 {"version", version},
                                                 {"seconds", fmt::format("{:.1f}", seconds)},
                                                 {"forward_timeout_seconds", limit},
                                                 {"requests", answers->size()}});
    scheduler->LookForStuck();  // who is answered finds the version suspect
    for (QueuedTask::Unanswered& one : *answers) {
      if (one.done) one.done(late);
    }
  };
}

}  // namespace torchferry::serving
