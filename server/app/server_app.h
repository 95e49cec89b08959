// The composition root: makes every part, gives each the parts that it needs, and ends them in order.
#pragma once

#include <absl/status/statusor.h>

#include <memory>
#include <vector>

#include "server/app/flags.h"
#include "server/torch/device/runtime.h"

namespace torchferry::app {

class ServerApp {
 public:
  // Listens first; then starts LibTorch with the devices of `providers` and begins to load models. NOT_FOUND for a
  // store that cannot be read, UNAVAILABLE for an address that cannot be bound.
  static absl::StatusOr<std::unique_ptr<ServerApp>> Start(
      const ServerFlags& flags, std::vector<std::unique_ptr<libtorch::DeviceProvider>> providers);
  virtual ~ServerApp() = default;

  // Drains as the flags say and stops. False when requests had to be cancelled.
  virtual bool Stop() = 0;
  virtual bool HasLostDevice() const = 0;
  // Whether a forward pass or a load was ever over its time limit.
  virtual bool HasBeenStuck() const = 0;
  // After Stop: whether something still runs that cannot be interrupted, or is on a lost device. A lost device must not
  // be touched, not even when libraries end. The process must then leave by _exit.
  virtual bool MustLeaveByExit() const = 0;
};

}  // namespace torchferry::app
