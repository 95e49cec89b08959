#include "server/serving/session.h"

#include <utility>

#include "server/base/status.h"
#include "server/serving/leaked_on_loss.h"

namespace torchferry::serving {

std::shared_ptr<Session> SessionLimit::Open(const std::shared_ptr<SessionLimit>& places) {
  int64_t open = places->open_;
  do {
    if (open >= places->limit_) return nullptr;
  } while (!places->open_.compare_exchange_weak(open, open + 1));
  return std::make_shared<Session>(places, ++places->last_lane_);
}

absl::StatusOr<model::Model*> Session::ModelFrom(const model::Model& loaded,
                                                 const std::shared_ptr<const DeviceHealth>& health) {
  if (model_ == nullptr) {
    FERRY_ASSIGN_OR_RETURN(std::shared_ptr<model::Model> copy, loaded.Clone());
    model_ = LeakedOnLoss(std::move(copy), health);
  }
  return model_.get();
}

}  // namespace torchferry::serving
