// Everything that a server with these flags uses to load models, without the server: for --tune and --check.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "server/app/flags.h"
#include "server/host/host.h"
#include "server/plan/model_loader.h"
#include "server/registry/store_scanner.h"
#include "server/torch/device/runtime.h"

namespace torchferry::app {

// Holds this host's facts, its devices and LibTorch's loader. Immutable; `flags` outlives it.
class OfflineLoads {
 public:
  enum class Tuning : uint8_t { kAsServer, kOff };

  // Opens the devices of `providers`, so it must be made before any other LibTorch call. With kOff no version is tuned,
  // whatever its configuration says, and nothing is written.
  OfflineLoads(const ServerFlags& flags, std::vector<std::unique_ptr<libtorch::DeviceProvider>> providers,
               Tuning tuning);

  // The request that loads `version` of `folder`, whose config must be OK. Nothing else may load at the same time.
  // Errors of TrustedDigestsOf.
  absl::StatusOr<plan::LoadRequest> RequestOf(const registry::ModelFolder& folder, int64_t version) const;

  // The runtimes, in order of preference.
  std::span<const plan::ModelLoader* const> loaders() const { return loaders_; }

 private:
  const ServerFlags& flags_;
  const Tuning tuning_;
  const host::HostInfo host_;
  const std::unique_ptr<libtorch::TorchRuntime> runtime_;
  const std::unique_ptr<plan::ModelLoader> torch_loader_;
  const std::vector<const plan::ModelLoader*> loaders_;
};

}  // namespace torchferry::app
