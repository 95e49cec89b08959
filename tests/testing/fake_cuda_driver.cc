// libcuda.so.1 for hosts without one: as many GPUs and as new a driver as the environment says. Answers the questions
// that come before CUDA is opened, and nothing else.
#include <cstdlib>

namespace {

int NumberOf(const char* variable, int otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::atoi(text);
}

}  // namespace

extern "C" {

int cuInit(unsigned /*flags*/) { return NumberOf("FAKE_CUDA_ERROR", 0); }

int cuDriverGetVersion(int* version) {
  *version = NumberOf("FAKE_CUDA_VERSION", 99000);
  return 0;
}

int cuDeviceGetCount(int* count) {
  *count = NumberOf("FAKE_CUDA_DEVICES", 1);
  return 0;
}
}
