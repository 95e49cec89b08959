// "cuda": the driver, then LibTorch's CUDA part, opened by name.
#include <ATen/Context.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <dlfcn.h>
#include <link.h>
#include <torch/headeronly/version.h>

#include <filesystem>
#include <string>

#include "server/base/logging.h"
#include "server/base/status.h"
#include "server/host/host.h"
#include "server/torch/device/convert.h"
#include "server/torch/device/runtime.h"

namespace torchferry::libtorch {
namespace {

// 13020 is 13.2.
std::string CudaVersion(int version) { return fmt::format("{}.{}", version / 1000, version % 1000 / 10); }

// Of the CUDA runtime that LibTorch was built with, which libtorch_cpu.so itself needs; 0 when there is none.
int RuntimeVersion() {
  const auto get_version = reinterpret_cast<int (*)(int*)>(dlsym(RTLD_DEFAULT, "cudaRuntimeGetVersion"));
  int version = 0;
  return get_version != nullptr && get_version(&version) == 0 ? version : 0;
}

// Where the LibTorch of this process lies: its CUDA part must be of the same build.
std::filesystem::path LibTorchFolder() {
  void* cpu = dlopen("libtorch_cpu.so", RTLD_NOW | RTLD_NOLOAD);
  link_map* map = nullptr;
  if (cpu == nullptr || dlinfo(cpu, RTLD_DI_LINKMAP, &map) != 0 || map == nullptr) return {};
  std::filesystem::path folder = std::filesystem::path(map->l_name).parent_path();
  dlclose(cpu);
  return folder;
}

// "libcublas.so.13: cannot open shared object file: No such file or directory" → "libcublas.so.13"; empty for other
// errors.
std::string MissingLibrary(const std::string& error) {
  const size_t colon = error.find(": cannot open shared object file");
  return colon == std::string::npos ? "" : error.substr(0, colon);
}

class CudaProvider final : public DeviceProvider {
 public:
  std::string_view type() const override { return "cuda"; }

  absl::StatusOr<int> Start() override {
    const host::CudaDriver driver = host::ProbeCudaDriver();
    if (!driver.is_there) {
      base::LogInfo("no GPU", {{"reason", "no NVIDIA driver: there is no libcuda.so.1"}});
      return 0;
    }
    if (!driver.error.empty()) {
      return base::MakeStatus(absl::StatusCode::kUnavailable,
                              "the NVIDIA driver cannot be used: {}. Models run on the CPU", driver.error);
    }
    if (driver.device_count == 0) {
      base::LogInfo("no GPU", {{"reason", "an NVIDIA driver is here, and gives this process no GPU"}});
      return 0;
    }
    FERRY_RETURN_IF_ERROR(CheckVersions(driver));
    FERRY_RETURN_IF_ERROR(OpenLibTorchCuda());
    return CountDevices();
  }

 private:
  // A driver runs what was built for the CUDA of its own major version or an older one.
  static absl::Status CheckVersions(const host::CudaDriver& driver) {
    const int runtime = RuntimeVersion();
    if (runtime == 0 || driver.version == 0 || driver.version / 1000 >= runtime / 1000) return absl::OkStatus();
    return base::MakeStatus(
        absl::StatusCode::kUnavailable,
        "the NVIDIA driver is too old: it runs CUDA {}, and LibTorch {} is built for CUDA {}. Models run on the CPU; "
        "update the driver",
        CudaVersion(driver.version), TORCH_VERSION, CudaVersion(runtime));
  }

  static absl::Status OpenLibTorchCuda() {
    const std::filesystem::path folder = LibTorchFolder();
    const std::filesystem::path beside = folder / "libtorch_cuda.so";
    std::error_code error;
    if (!folder.empty() && !std::filesystem::exists(beside, error)) {
      return base::MakeStatus(
          absl::StatusCode::kUnavailable,
          "a GPU is here, but this LibTorch has no CUDA part (no libtorch_cuda.so beside libtorch_cpu.so). Models run "
          "on the CPU");
    }
    // Global: LibTorch's CPU library looks its CUDA counterpart's symbols up.
    const std::string name = folder.empty() ? "libtorch_cuda.so" : beside.string();
    if (dlopen(name.c_str(), RTLD_NOW | RTLD_GLOBAL) != nullptr) return absl::OkStatus();
    const char* text = dlerror();
    const std::string reason = text == nullptr ? "unknown error" : text;
    const std::string missing = MissingLibrary(reason);
    return base::MakeStatus(
        absl::StatusCode::kUnavailable,
        "a GPU is here, but LibTorch's CUDA part cannot be opened: {}. Models run on the CPU; deploy/install-deps.sh "
        "--cuda installs what it needs",
        missing.empty() ? reason : missing + " is missing");
  }

  static absl::StatusOr<int> CountDevices() {
    if (!c10::impl::hasDeviceGuardImpl(c10::DeviceType::CUDA)) {
      return base::MakeStatus(absl::StatusCode::kUnavailable,
                              "LibTorch's CUDA part was opened and did not announce itself");
    }
    // NOLINTNEXTLINE(bugprone-signed-char-misuse): LibTorch counts in a byte, which is no character.
    const int count = c10::impl::getDeviceGuardImpl(c10::DeviceType::CUDA)->deviceCount();
    try {
      if (count > 0) at::globalContext().lazyInitDevice(c10::DeviceType::CUDA);
    } catch (const std::exception& error) {
      return base::MakeStatus(absl::StatusCode::kUnavailable, "CUDA cannot be started: {}. Models run on the CPU",
                              CleanMessage(error.what()));
    }
    return count;
  }
};

}  // namespace

std::unique_ptr<DeviceProvider> MakeCudaProvider() { return std::make_unique<CudaProvider>(); }

}  // namespace torchferry::libtorch
