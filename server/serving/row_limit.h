// The number of rows that a placement has memory for, learned from its failures.
#pragma once

#include <cstdint>
#include <optional>

#include "server/base/clock.h"

namespace torchferry::serving {

// Pure: `now` is an argument. Not thread-safe.
class RowLimit {
 public:
  // Max rows of a batch now; nullopt: no limit is known, or it is time to try more again. 0: not even one row, after
  // one row has failed twice in sequence. One failure may have been due to that request's own size.
  std::optional<int64_t> At(base::TimePoint now) const;

  // `rows` rows did not fit.
  void OutOfMemory(int64_t rows, base::TimePoint now);
  // Not even one row runs, for any reason. The same as OutOfMemory(1).
  void Rest(base::TimePoint now) { OutOfMemory(1, now); }
  // `rows` rows ran.
  void RecordFit(int64_t rows);

 private:
  std::optional<int64_t> limit_;
  int one_row_failures_ = 0;
  base::Duration wait_{};  // until more rows are tried again; doubles with each failure of such a try
  base::TimePoint until_{};
};

}  // namespace torchferry::serving
