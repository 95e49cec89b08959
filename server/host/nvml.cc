#include "server/host/nvml.h"

#include <dlfcn.h>

#include <array>
#include <utility>

#include "server/base/status.h"

namespace torchferry::host {
namespace {

// NVML's and the driver API's numbers and structures, as their public headers have them.
constexpr int kSuccess = 0;
constexpr int kGpuIsLost = 15;  // NVML_ERROR_GPU_IS_LOST
struct Memory {
  unsigned long long total;
  unsigned long long free;
  unsigned long long used;
};
struct Utilization {
  unsigned gpu;  // percent
  unsigned memory;
};
using Handle = void*;

struct Functions {
  int (*init)() = nullptr;
  int (*handle_by_bus_id)(const char*, Handle*) = nullptr;
  int (*memory)(Handle, Memory*) = nullptr;
  int (*utilization)(Handle, Utilization*) = nullptr;
  const char* (*error_string)(int) = nullptr;
  int (*device)(int*, int) = nullptr;        // cuDeviceGet
  int (*bus_id)(char*, int, int) = nullptr;  // cuDeviceGetPCIBusId
};

// Never closed: both keep threads of their own.
absl::StatusOr<void*> OpenLibrary(const std::string& name) {
  void* library = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library != nullptr) return library;
  return base::MakeStatus(absl::StatusCode::kUnavailable, "{} cannot be opened", name);
}

template <typename Function>
absl::Status Find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  if (function != nullptr) return absl::OkStatus();
  return base::MakeStatus(absl::StatusCode::kUnavailable, "the NVIDIA driver's libraries have no {}", name);
}

class NvmlImpl final : public Nvml {
 public:
  explicit NvmlImpl(const Functions& functions) : call_(functions) {}

  absl::StatusOr<GpuReading> Read(int index) override {
    FERRY_ASSIGN_OR_RETURN(Handle const gpu, HandleOf(index));
    Memory memory{};
    FERRY_RETURN_IF_ERROR(Check(call_.memory(gpu, &memory), index));
    Utilization utilization{};
    FERRY_RETURN_IF_ERROR(Check(call_.utilization(gpu, &utilization), index));
    return GpuReading{utilization.gpu / 100.0, memory.total, memory.used};
  }

 private:
  absl::StatusOr<Handle> HandleOf(int index) {
    if (const auto known = handles_.find(index); known != handles_.end()) return known->second;
    int device = 0;
    std::array<char, 64> bus_id{};
    int code = call_.device(&device, index);
    if (code == kSuccess) code = call_.bus_id(bus_id.data(), static_cast<int>(bus_id.size()), device);
    if (code != kSuccess) {
      return base::MakeStatus(absl::StatusCode::kUnavailable,
                              "cuda:{}: the driver does not say where it is: CUDA error {}", index, code);
    }
    Handle handle = nullptr;
    FERRY_RETURN_IF_ERROR(Check(call_.handle_by_bus_id(bus_id.data(), &handle), index));
    handles_[index] = handle;
    return handle;
  }

  absl::Status Check(int code, int index) const {
    if (code == kSuccess) return absl::OkStatus();
    return base::MakeStatus(code == kGpuIsLost ? absl::StatusCode::kDataLoss : absl::StatusCode::kUnavailable,
                            "cuda:{}: {}", index, call_.error_string(code));
  }

  const Functions call_;
  std::map<int, Handle> handles_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Nvml>> Nvml::Open(const std::string& nvml_library, const std::string& driver_library) {
  FERRY_ASSIGN_OR_RETURN(void* const nvml, OpenLibrary(nvml_library));
  FERRY_ASSIGN_OR_RETURN(void* const driver, OpenLibrary(driver_library));
  Functions call;
  FERRY_RETURN_IF_ERROR(Find(nvml, "nvmlInit_v2", call.init));
  FERRY_RETURN_IF_ERROR(Find(nvml, "nvmlDeviceGetHandleByPciBusId_v2", call.handle_by_bus_id));
  FERRY_RETURN_IF_ERROR(Find(nvml, "nvmlDeviceGetMemoryInfo", call.memory));
  FERRY_RETURN_IF_ERROR(Find(nvml, "nvmlDeviceGetUtilizationRates", call.utilization));
  FERRY_RETURN_IF_ERROR(Find(nvml, "nvmlErrorString", call.error_string));
  FERRY_RETURN_IF_ERROR(Find(driver, "cuDeviceGet", call.device));
  FERRY_RETURN_IF_ERROR(Find(driver, "cuDeviceGetPCIBusId", call.bus_id));
  if (const int code = call.init(); code != kSuccess) {
    return base::MakeStatus(absl::StatusCode::kUnavailable, "{}: {}", nvml_library, call.error_string(code));
  }
  return std::make_unique<NvmlImpl>(call);
}

}  // namespace torchferry::host
