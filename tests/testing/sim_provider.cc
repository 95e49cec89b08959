#include "tests/testing/sim_provider.h"

#include <cstdlib>
#include <string>

#include "tests/testing/sim_backend.h"
#include "tests/testing/sim_device.h"

namespace torchferry::sim {
namespace {

int64_t NumberOf(const char* variable, int64_t fallback) {
  const char* text = std::getenv(variable);
  return text == nullptr ? fallback : std::stoll(text);
}

class Provider final : public libtorch::DeviceProvider {
 public:
  std::string_view type() const override { return "sim"; }

  absl::StatusOr<int> Start() override {
    Devices& devices = Devices::Get();
    devices.Configure(static_cast<int>(NumberOf("SIM_DEVICES", 2)),
                      static_cast<uint64_t>(NumberOf("SIM_CAPACITY_MIB", 1024)) << 20);
    if (const char* path = std::getenv("SIM_FAULT_FILE")) devices.WatchFaultFile(path);
    RegisterBackend();
    return devices.count();
  }
};

}  // namespace

std::unique_ptr<libtorch::DeviceProvider> MakeProvider() { return std::make_unique<Provider>(); }

}  // namespace torchferry::sim
