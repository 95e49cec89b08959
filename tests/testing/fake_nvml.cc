// libnvidia-ml.so.1 for the tests, and of libcuda.so.1 what NVML's user asks: two GPUs, which CUDA numbers the other
// way round. The second of NVML's is lost, or nothing works at all, when the environment says so.
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

int first_gpu = 0;
int second_gpu = 1;

bool Says(const char* variable) { return std::getenv(variable) != nullptr; }

}  // namespace

extern "C" {

int nvmlInit_v2() { return Says("FAKE_NVML_BROKEN") ? 9 : 0; }
const char* nvmlErrorString(int code) { return code == 15 ? "GPU is lost" : "Driver Not Loaded"; }

int nvmlDeviceGetHandleByPciBusId_v2(const char* bus_id, void** handle) {
  if (std::strcmp(bus_id, "0000:01:00.0") == 0) *handle = &first_gpu;
  if (std::strcmp(bus_id, "0000:02:00.0") == 0) *handle = &second_gpu;
  return 0;
}

int nvmlDeviceGetMemoryInfo(void* handle, unsigned long long* memory) {
  if (handle == &second_gpu && Says("FAKE_NVML_LOST")) return 15;
  memory[0] = 1000;
  memory[1] = handle == &first_gpu ? 900 : 100;
  memory[2] = handle == &first_gpu ? 100 : 900;
  return 0;
}

int nvmlDeviceGetUtilizationRates(void* handle, unsigned* rates) {
  rates[0] = handle == &first_gpu ? 25 : 75;
  rates[1] = 0;
  return 0;
}

int cuDeviceGet(int* device, int index) {
  *device = index + 7;
  return index < 2 ? 0 : 101;
}

int cuDeviceGetPCIBusId(char* text, int length, int device) {
  std::snprintf(text, static_cast<size_t>(length), "0000:0%d:00.0", device == 7 ? 2 : 1);
  return 0;
}
}
