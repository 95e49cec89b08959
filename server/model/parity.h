// Whether a placement answers as the model did when it was saved: the result of its passport's golden rows.
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
  std::string precision;  // that the placement computes in: "BF16"
  ParityState state = ParityState::kNotChecked;
  int rows = 0;  // that were compared
  // For the element with the largest share of what is allowed: |got - want|, and atol + rtol * |want|.
  double difference = 0;
  double allowed = 0;
  std::string where;  // that element: `row 0, output "y" at [0, 3]`; empty: nothing was compared
  double rtol = 0;
  double atol = 0;
  std::string detail;  // a sentence: the numbers, what was wrong, or why it was not checked
};

// The results of one version, for each device where it was placed or was tried. Thread-safe.
class ParityRecord {
 public:
  // Replaces the earlier result for the same device and precision.
  void Set(ParityInfo info);
  // In the order in which placements were first checked.
  std::vector<ParityInfo> List() const;

 private:
  mutable base::Mutex mutex_;
  std::vector<ParityInfo> infos_ FERRY_GUARDED_BY(mutex_);
};

// FAILED_PRECONDITION: golden rows refuse a placement. IsOfParity stays true after Annotate.
absl::Status ParityStatus(std::string_view message);
bool IsOfParity(const absl::Status& status);

}  // namespace torchferry::model
