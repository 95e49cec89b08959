#include "server/model/raised.h"

#include <absl/strings/cord.h>

#include <utility>

namespace torchferry::model {
namespace {

constexpr char kMark[] = "torchferry/raised";

}  // namespace

absl::Status MarkRaised(absl::Status status) {
  status.SetPayload(kMark, absl::Cord("1"));
  return status;
}

bool HasRaised(const absl::Status& status) { return status.GetPayload(kMark).has_value(); }

}  // namespace torchferry::model
