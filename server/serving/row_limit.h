// How many rows a placement has memory for, as its failures tell.
#pragma once

#include <cstdint>
#include <optional>

#include "server/base/clock.h"

namespace torchferry::serving {

// Pure: `now` is an argument. Not thread-safe.
class RowLimit {
 public:
  // Rows that a batch may have now; nothing: no limit is known, or it is time to try again. 0: not one row, after one
  // row has failed twice in sequence: once may have been that request's own size.
  std::optional<int64_t> At(base::TimePoint now) const;

  // So many did not fit.
  void OutOfMemory(int64_t rows, base::TimePoint now);
  // Not one row runs, for whatever reason: as OutOfMemory(1).
  void Rest(base::TimePoint now) { OutOfMemory(1, now); }
  // So many ran.
  void RecordFit(int64_t rows);

 private:
  std::optional<int64_t> limit_;
  int one_row_failures_ = 0;
  base::Duration wait_{};  // before all rows are tried again; doubles with each failure after that
  base::TimePoint until_{};
};

}  // namespace torchferry::serving
