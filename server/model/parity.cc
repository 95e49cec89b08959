#include "server/model/parity.h"

#include <absl/strings/cord.h>

#include <algorithm>
#include <array>
#include <utility>

namespace torchferry::model {
namespace {

constexpr char kParityPayload[] = "torchferry/parity";
constexpr std::array<std::string_view, 3> kParityNames = {"not_checked", "passed", "failed"};

}  // namespace

std::string_view Name(ParityState state) { return kParityNames.at(static_cast<size_t>(state)); }

void ParityRecord::Set(ParityInfo info) {
  base::MutexLock lock(mutex_);
  const auto known = std::ranges::find_if(infos_, [&](const ParityInfo& other) {
    return other.device == info.device && other.precision == info.precision;
  });
  if (known == infos_.end()) {
    infos_.push_back(std::move(info));
  } else {
    *known = std::move(info);
  }
}

std::vector<ParityInfo> ParityRecord::List() const {
  base::MutexLock lock(mutex_);
  return infos_;
}

absl::Status ParityStatus(std::string_view message) {
  absl::Status status(absl::StatusCode::kFailedPrecondition, std::string(message));
  status.SetPayload(kParityPayload, absl::Cord(""));
  return status;
}

bool IsOfParity(const absl::Status& status) { return status.GetPayload(kParityPayload).has_value(); }

}  // namespace torchferry::model
