#include "server/serving/split_request.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "server/base/mutex.h"
#include "server/base/status.h"
#include "server/serving/row_pieces.h"

namespace torchferry::serving {
namespace {

// Parts of one request that are submitted and not answered: enough for a few workers, and few of a queue's places.
constexpr size_t kPartsAtOnce = 4;

int64_t BytesOf(const model::Outputs& outputs) {
  int64_t bytes = 0;
  for (const model::NamedTensor& output : outputs) bytes += static_cast<int64_t>(output.tensor.bytes.size());
  return bytes;
}

// Whether dimension 0 of each is the rows of its part.
absl::Status CheckByRows(const model::Outputs& outputs, int64_t rows) {
  for (const model::NamedTensor& output : outputs) {
    if (!output.tensor.shape.empty() && output.tensor.shape[0] == rows) continue;
    return base::MakeStatus(absl::StatusCode::kFailedPrecondition,
                            "output \"{}\" has shape {} for a part of {} rows. Parts of a request above max_batch_size "
                            "are joined by dimension 0; send fewer rows at a time",
                            output.name, tensor::ToString(output.tensor.shape), rows);
  }
  return absl::OkStatus();
}

using Parts = std::vector<std::optional<PredictResult>>;

absl::StatusOr<PredictResult> Join(Parts parts) {
  PredictResult joined;
  joined.execution = parts.back()->execution;
  joined.execution.queue_seconds = joined.execution.compute_seconds = 0;
  std::vector<model::Outputs> outputs;
  for (std::optional<PredictResult>& part : parts) {
    joined.execution.batch_rows = std::max(joined.execution.batch_rows, part->execution.batch_rows);
    joined.execution.queue_seconds += part->execution.queue_seconds;
    joined.execution.compute_seconds += part->execution.compute_seconds;
    outputs.push_back(std::move(part->outputs));
  }
  FERRY_ASSIGN_OR_RETURN(joined.outputs, JoinRows(outputs));
  return joined;
}

class SplitRequest final : public std::enable_shared_from_this<SplitRequest> {
 public:
  SplitRequest(Servable& servable, PredictTask task, int64_t rows, int64_t max_bytes)
      : servable_(servable),
        task_(std::move(task)),
        part_rows_(rows),
        max_bytes_(max_bytes),
        parts_(static_cast<size_t>((task_.inputs.rows + rows - 1) / rows)),
        results_(parts_) {}

  // Submits what may be submitted, and answers after the last part. A part may be answered while it is submitted, and
  // then calls this again: the one that is in flight goes on.
  void Advance() FERRY_EXCLUDES(mutex_) {
    {
      base::MutexLock lock(mutex_);
      if (std::exchange(is_advancing_, true)) return;
    }
    for (;;) {
      size_t part = 0;
      {
        base::MutexLock lock(mutex_);
        const bool may_submit = error_.ok() && next_ < parts_ && in_flight_ < kPartsAtOnce;
        if (!may_submit) {
          is_advancing_ = false;
          if (in_flight_ > 0 || std::exchange(is_answered_, true)) return;
          break;
        }
        part = next_++;
        ++in_flight_;
      }
      Submit(part);
    }
    Answer();
  }

 private:
  int64_t RowsIn(size_t part) const {
    return std::min(part_rows_, task_.inputs.rows - static_cast<int64_t>(part) * part_rows_);
  }

  void Submit(size_t part) {
    PredictTask task;
    task.inputs = RowsOf(servable_.signature(), task_.inputs, static_cast<int64_t>(part) * part_rows_, RowsIn(part));
    task.deadline = task_.deadline;
    task.priority = task_.priority;
    task.is_cancelled = task_.is_cancelled;
    if (task_.keep) task.keep = [self = shared_from_this()] { return self->Keep(); };
    task.done = [self = shared_from_this(), part](absl::StatusOr<PredictResult> result) {
      self->Store(part, std::move(result));
      self->Advance();
    };
    servable_.Submit(std::move(task));
  }

  // The whole request's bytes, for any number of parts.
  std::shared_ptr<const void> Keep() FERRY_EXCLUDES(mutex_) {
    base::MutexLock lock(mutex_);
    if (kept_ == nullptr && !is_answered_) kept_ = task_.keep();
    return kept_;
  }

  void Store(size_t part, absl::StatusOr<PredictResult> result) FERRY_EXCLUDES(mutex_) {
    base::MutexLock lock(mutex_);
    --in_flight_;
    absl::Status status = result.status();
    if (status.ok()) status = CheckByRows(result->outputs, RowsIn(part));
    if (status.ok()) {
      bytes_ += BytesOf(result->outputs);
      if (bytes_ > max_bytes_) {
        status =
            base::MakeStatus(absl::StatusCode::kResourceExhausted,
                             "the answer has more than {} bytes after {} of {} rows: send fewer rows, or raise the "
                             "server's --max-message-mib",
                             max_bytes_, static_cast<int64_t>(part) * part_rows_ + RowsIn(part), task_.inputs.rows);
      }
    }
    if (status.ok()) {
      results_[part] = *std::move(result);
    } else if (error_.ok()) {
      error_ = status;
    }
  }

  // Nothing is in flight any more.
  void Answer() FERRY_EXCLUDES(mutex_) {
    Parts parts;
    absl::Status error;
    {
      base::MutexLock lock(mutex_);
      parts = std::move(results_);
      // The caller's own from now on: its memory is shared with no other thread. That there was one stays.
      error = std::move(error_);
      error_ = error.ok() ? absl::OkStatus() : absl::CancelledError();
    }
    if (error.ok()) return task_.done(Join(std::move(parts)));
    task_.done(std::move(error));
  }

  Servable& servable_;
  const PredictTask task_;
  const int64_t part_rows_;
  const int64_t max_bytes_;
  const size_t parts_;

  base::Mutex mutex_;
  Parts results_ FERRY_GUARDED_BY(mutex_);  // by part
  size_t next_ FERRY_GUARDED_BY(mutex_) = 0;
  size_t in_flight_ FERRY_GUARDED_BY(mutex_) = 0;
  int64_t bytes_ FERRY_GUARDED_BY(mutex_) = 0;
  absl::Status error_ FERRY_GUARDED_BY(mutex_);
  std::shared_ptr<const void> kept_ FERRY_GUARDED_BY(mutex_);
  bool is_advancing_ FERRY_GUARDED_BY(mutex_) = false;
  bool is_answered_ FERRY_GUARDED_BY(mutex_) = false;
};

}  // namespace

void SubmitInParts(Servable& servable, PredictTask task, int64_t rows, int64_t max_bytes) {
  std::make_shared<SplitRequest>(servable, std::move(task), rows, max_bytes)->Advance();
}

}  // namespace torchferry::serving
