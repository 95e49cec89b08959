#include "server/torch/device/device_errors.h"

#include <absl/strings/ascii.h>
#include <c10/core/DeviceType.h>
#include <c10/util/Exception.h>
#include <torch/csrc/jit/runtime/jit_exception.h>

#include <algorithm>
#include <array>
#include <new>
#include <optional>
#include <string>
#include <vector>

#include "server/torch/device/convert.h"

namespace torchferry::libtorch {
namespace {

// How the runtimes and libraries of an accelerator begin a message. What follows is the error's name or text.
constexpr std::array<std::string_view, 12> kPrefixes = {
    "CUDA error: ",   "CUDA driver error: ", "cuDNN error: ",    "cuDNN Frontend error: ",
    "cuBLAS error: ", "cuFFT error: ",       "cusolver error: ", "cusparse error: ",
    "HIP error: ",    "MIOpen error: ",      "hipBLAS error: ",  "XPU error: "};

// Those after which nothing in this process runs on the device any more. Source: the CUDA runtime's cudaError_t, whose
// documentation says of each that the process must end to continue; NVML's; our simulated device's.
constexpr std::array<std::string_view, 20> kLost = {
    "an illegal memory access was encountered",
    "device-side assert triggered",
    "unspecified launch failure",
    "uncorrectable ECC error encountered",
    "uncorrectable NVLink error detected",
    "misaligned address",
    "an illegal instruction was encountered",
    "invalid program counter",
    "an invalid program counter",
    "hardware stack error",
    "operation not supported on global/shared address space",
    "the launch timed out and was terminated",
    "no CUDA-capable device is detected",
    "invalid device context",
    "context is destroyed",
    "driver shutting down",
    "CUDA driver is shutting down",
    "unknown error",
    "GPU is lost",
    "device lost",
};

constexpr std::array<std::string_view, 6> kOutOfMemory = {
    "out of memory",      "CUBLAS_STATUS_ALLOC_FAILED",   "CUDNN_STATUS_ALLOC_FAILED",
    "CUFFT_ALLOC_FAILED", "CUSOLVER_STATUS_ALLOC_FAILED", "CUSPARSE_STATUS_ALLOC_FAILED",
};

// What this input or this operator asks for does not go on this device.
constexpr std::array<std::string_view, 13> kUnsupported = {
    "no kernel image is available for execution on the device",
    "invalid configuration argument",
    "invalid argument",
    "too many resources requested for launch",
    "device kernel image is invalid",
    "the provided PTX was compiled with an unsupported toolchain",
    "operation not supported",
    "CUBLAS_STATUS_NOT_SUPPORTED",
    "CUBLAS_STATUS_INVALID_VALUE",
    "CUBLAS_STATUS_ARCH_MISMATCH",
    "CUDNN_STATUS_NOT_SUPPORTED",
    "CUDNN_STATUS_BAD_PARAM",
    "CUDNN_STATUS_ARCH_MISMATCH",
};

template <size_t N>
bool Begins(std::string_view text, const std::array<std::string_view, N>& beginnings) {
  return std::ranges::any_of(beginnings, [&](std::string_view beginning) { return text.starts_with(beginning); });
}

std::string PrivateName() { return absl::AsciiStrToUpper(c10::get_privateuse1_backend()); }

// What follows the prefix; nothing where the message begins otherwise.
std::optional<std::string_view> AfterPrefix(std::string_view message) {
  for (const std::string_view prefix : kPrefixes) {
    if (message.starts_with(prefix)) return message.substr(prefix.size());
  }
  const std::string own = PrivateName() + " error: ";
  if (message.starts_with(own)) return message.substr(own.size());
  return std::nullopt;
}

// What the allocators say: "CUDA out of memory. Tried to allocate …", and the CPU's.
bool IsOfAllocator(std::string_view message) {
  for (const std::string_view name : {"CUDA", "HIP", "XPU", "MPS backend"}) {
    if (message.starts_with(std::string(name) + " out of memory")) return true;
  }
  return message.starts_with(PrivateName() + " out of memory") ||
         message.find("DefaultCPUAllocator: ") != std::string_view::npos;
}

// "Could not run 'aten::x' with arguments from the 'CUDA' backend."
bool IsMissingKernel(std::string_view message) {
  return message.starts_with("Could not run 'aten::") &&
         message.find("with arguments from the '") != std::string_view::npos;
}

}  // namespace

model::DeviceFault FaultOfMessage(std::string_view message) {
  if (IsOfAllocator(message)) return model::DeviceFault::kOutOfMemory;
  if (IsMissingKernel(message)) return model::DeviceFault::kUnsupported;
  const std::optional<std::string_view> text = AfterPrefix(message);
  if (!text.has_value()) return model::DeviceFault::kNone;
  if (Begins(*text, kOutOfMemory)) return model::DeviceFault::kOutOfMemory;
  if (Begins(*text, kLost)) return model::DeviceFault::kLost;
  return Begins(*text, kUnsupported) ? model::DeviceFault::kUnsupported : model::DeviceFault::kTransient;
}

model::DeviceFault FaultOf(const std::exception& error) {
  if (dynamic_cast<const torch::jit::JITException*>(&error) != nullptr) return model::DeviceFault::kNone;
  if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr) return model::DeviceFault::kOutOfMemory;
  if (dynamic_cast<const c10::OutOfMemoryError*>(&error) != nullptr) return model::DeviceFault::kOutOfMemory;
  const auto* c10_error = dynamic_cast<const c10::Error*>(&error);
  return FaultOfMessage(CleanMessage(c10_error != nullptr ? c10_error->what_without_backtrace() : error.what()));
}

}  // namespace torchferry::libtorch
