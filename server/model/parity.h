// Whether a placement answers as the model did when it was saved: what came of the golden rows of its passport there.
#pragma once

#include <absl/status/status.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "server/base/mutex.h"

namespace torchferry::model {

enum class ParityState : uint8_t {
  kNotChecked,  // `detail` says why
  kPassed,
  kFailed,  // beyond the tolerance, or not answered
};

// "not_checked", "passed", "failed".
std::string_view Name(ParityState state);

struct ParityInfo {
  std::string device;     // "cuda:0"
  std::string precision;  // that it computes in there: "BF16"
  ParityState state = ParityState::kNotChecked;
  int rows = 0;  // that were compared
  // Of the element that is the furthest from what is allowed: |got - want|, and atol + rtol * |want|.
  double difference = 0;
  double allowed = 0;
  std::string where;  // that element: `row 0, output "y" at [0, 3]`; empty: nothing was compared
  double rtol = 0;
  double atol = 0;
  std::string detail;  // a sentence: the numbers, what was wrong, or why it was not checked
};

// What was found of one version, wherever it was placed or was to be. Thread-safe.
class ParityRecord {
 public:
  // Takes the place of what was found before on the same device in the same precision.
  void Set(ParityInfo info);
  // In the order in which placements were first checked.
  std::vector<ParityInfo> List() const;

 private:
  mutable base::Mutex mutex_;
  std::vector<ParityInfo> infos_ FERRY_GUARDED_BY(mutex_);
};

// FAILED_PRECONDITION: golden rows refuse a placement. Annotate keeps what it is.
absl::Status ParityStatus(std::string_view message);
bool IsOfParity(const absl::Status& status);

}  // namespace torchferry::model
