// Models on devices that may be lost.
#pragma once

#include <memory>

#include "server/model/model.h"
#include "server/serving/device_health.h"

namespace torchferry::serving {

// Wraps `model`, so that it is leaked and not destroyed if its device is lost by then. A lost device's memory must not
// be touched. On the CPU it returns `model` itself.
std::shared_ptr<model::Model> LeakedOnLoss(std::shared_ptr<model::Model> model,
                                           std::shared_ptr<const DeviceHealth> health);

}  // namespace torchferry::serving
