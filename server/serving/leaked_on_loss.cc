#include "server/serving/leaked_on_loss.h"

#include <utility>

#include "server/base/keep_forever.h"

namespace torchferry::serving {
namespace {

// Holds a model; lets go of it only if its device is there.
struct Holder {
  Holder(std::shared_ptr<model::Model> held, std::shared_ptr<const DeviceHealth> devices)
      : model(std::move(held)), health(std::move(devices)) {}
  ~Holder() {
    if (health->Get(model->device()) == DeviceState::kLost) base::KeepForever(std::move(model));
  }
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;

  std::shared_ptr<model::Model> model;
  const std::shared_ptr<const DeviceHealth> health;
};

}  // namespace

std::shared_ptr<model::Model> LeakedOnLoss(std::shared_ptr<model::Model> model,
                                           std::shared_ptr<const DeviceHealth> health) {
  if (model->device().IsCpu()) return model;
  const auto holder = std::make_shared<Holder>(std::move(model), std::move(health));
  return {holder, holder->model.get()};
}

}  // namespace torchferry::serving
