// What a server with these flags loads by, without the server: for --tune and --check.
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

// This host, its devices and LibTorch's loader. Immutable; `flags` outlives it.
class OfflineLoads {
 public:
  enum class Tuning : uint8_t { kAsServer, kOff };

  // Opens the devices of `providers`, and so comes before any other LibTorch call. With kOff no version is tuned,
  // whatever its configuration says, and nothing is written.
  OfflineLoads(const ServerFlags& flags, std::vector<std::unique_ptr<libtorch::DeviceProvider>> providers,
               Tuning tuning);

  // A load of `version` of `folder`, whose config is there. Nothing else is loaded meanwhile. Errors of
  // TrustedDigestsOf.
  absl::StatusOr<plan::LoadRequest> RequestOf(const registry::ModelFolder& folder, int64_t version) const;

  // Runtimes, in order of preference.
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
