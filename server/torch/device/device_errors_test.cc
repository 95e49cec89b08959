#include "server/torch/device/device_errors.h"

#include <c10/util/Exception.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/runtime/jit_exception.h>
#include <torch/script.h>

#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "server/torch/device/convert.h"

namespace torchferry::libtorch {
namespace {

struct Text {
  std::string_view message;
  model::DeviceFault fault;
};

// As LibTorch and the libraries under it write them.
const std::vector<Text> kTexts = {
    {"CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be asynchronously reported at "
     "some other API call, "
     "so the stacktrace below might be incorrect.\nFor debugging consider passing CUDA_LAUNCH_BLOCKING=1",
     model::DeviceFault::kLost},
    {"CUDA error: device-side assert triggered\nCompile with `TORCH_USE_CUDA_DSA` to enable device-side assertions.",
     model::DeviceFault::kLost},
    {"CUDA error: unspecified launch failure", model::DeviceFault::kLost},
    {"CUDA error: uncorrectable ECC error encountered", model::DeviceFault::kLost},
    {"CUDA error: uncorrectable NVLink error detected during the execution", model::DeviceFault::kLost},
    {"CUDA error: misaligned address", model::DeviceFault::kLost},
    {"CUDA error: an illegal instruction was encountered", model::DeviceFault::kLost},
    {"CUDA error: the launch timed out and was terminated", model::DeviceFault::kLost},
    {"CUDA error: operation not supported on global/shared address space", model::DeviceFault::kLost},
    {"CUDA error: unknown error", model::DeviceFault::kLost},
    {"CUDA driver error: unknown error", model::DeviceFault::kLost},
    {"HIP error: an illegal memory access was encountered", model::DeviceFault::kLost},
    {"CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 79.15 GiB of which 11.38 MiB is "
     "free. Including "
     "non-PyTorch memory, this process has 79.13 GiB memory in use.",
     model::DeviceFault::kOutOfMemory},
    {"CUDA error: out of memory", model::DeviceFault::kOutOfMemory},
    {"CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", model::DeviceFault::kOutOfMemory},
    {"cuDNN error: CUDNN_STATUS_ALLOC_FAILED", model::DeviceFault::kOutOfMemory},
    {"HIP out of memory. Tried to allocate 2.00 GiB.", model::DeviceFault::kOutOfMemory},
    {"[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate "
     "4000000000000 bytes. "
     "Error code 12 (Cannot allocate memory)",
     model::DeviceFault::kOutOfMemory},
    {"cuDNN error: CUDNN_STATUS_EXECUTION_FAILED", model::DeviceFault::kTransient},
    {"CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm( handle, opa, opb, m, n, k, &alpha, a, lda, "
     "b, ldb, &beta, c, "
     "ldc)`",
     model::DeviceFault::kTransient},
    {"CUDA error: CUBLAS_STATUS_INTERNAL_ERROR when calling `cublasLtMatmul(...)`", model::DeviceFault::kTransient},
    {"cuFFT error: CUFFT_INTERNAL_ERROR", model::DeviceFault::kTransient},
    {"CUDA error: CUDA-capable device(s) is/are busy or unavailable", model::DeviceFault::kTransient},
    {"CUDA error: no kernel image is available for execution on the device", model::DeviceFault::kUnsupported},
    {"CUDA error: invalid configuration argument", model::DeviceFault::kUnsupported},
    {"CUDA error: too many resources requested for launch", model::DeviceFault::kUnsupported},
    {"cuDNN error: CUDNN_STATUS_NOT_SUPPORTED. This error may appear if you passed in a non-contiguous input.",
     model::DeviceFault::kUnsupported},
    {"Could not run 'aten::_fft_c2c' with arguments from the 'CUDA' backend. This could be because the operator "
     "doesn't exist",
     model::DeviceFault::kUnsupported},
};

// The model's own, whatever they speak of.
const std::vector<std::string_view> kOthers = {
    "Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu!",
    "Torch not compiled with CUDA enabled",
    "mat1 and mat2 shapes cannot be multiplied (1x3 and 4x64)",
    "expected scalar type Float but found Half",
    "index 12 is out of bounds for dimension 0 with size 10",
    "my model: CUDA error: an illegal memory access was encountered",
    "the buffer is out of memory slots",
    "no message",
};

TEST(DeviceErrorsTest, TheTextsOfDevicesAreToldApart) {
  for (const Text& text : kTexts) {
    EXPECT_EQ(FaultOfMessage(text.message), text.fault) << text.message;
    EXPECT_EQ(FaultOf(std::runtime_error(std::string(text.message))), text.fault) << text.message;
    // As the interpreter hands it on.
    EXPECT_EQ(FaultOf(std::runtime_error(
                  "The following operation failed in the TorchScript interpreter.\nTraceback of TorchScript (most "
                  "recent call last):\n  File \"model.py\", line 3, in forward\n    return x + 1\n           ~~~~~ "
                  "<--- HERE\nRuntimeError: " +
                  std::string(text.message))),
              text.fault)
        << text.message;
    // Of code without a source.
    EXPECT_EQ(FaultOf(std::runtime_error("The following operation failed in the TorchScript interpreter.\nTraceback of "
                                         "TorchScript (most recent call last):\nRuntimeError: " +
                                         std::string(text.message))),
              text.fault)
        << text.message;
  }
}

TEST(DeviceErrorsTest, OtherTextsAreNoFault) {
  for (const std::string_view text : kOthers) {
    EXPECT_EQ(FaultOf(std::runtime_error(std::string(text))), model::DeviceFault::kNone) << text;
  }
}

TEST(DeviceErrorsTest, TypesCountToo) {
  EXPECT_EQ(FaultOf(std::bad_alloc()), model::DeviceFault::kOutOfMemory);
  EXPECT_EQ(FaultOf(c10::OutOfMemoryError({__func__, __FILE__, __LINE__}, "no room")),
            model::DeviceFault::kOutOfMemory);
}

// What a model raises is the model's, though it copies a device's words. (`raise` needs a Python class where it is
// compiled; a scripted file that does so is served in tests/e2e/test_failover.py.)
TEST(DeviceErrorsTest, WhatTheModelRaisesIsItsOwn) {
  for (const Text& text : kTexts) {
    EXPECT_EQ(FaultOf(torch::jit::JITException(std::string(text.message))), model::DeviceFault::kNone) << text.message;
  }
  torch::jit::Module module("m");
  module.define("def forward(self, x):\n  assert bool(x.sum() < 0), 'CUDA error: unknown error'\n  return x\n");
  try {
    module.forward({at::ones({2})});
    FAIL() << "it did not raise";
  } catch (const std::exception& error) {
    EXPECT_EQ(FaultOf(error), model::DeviceFault::kNone);
    EXPECT_EQ(StatusOf(error, absl::StatusCode::kInternal).code(), absl::StatusCode::kInternal);
  }
}

TEST(DeviceErrorsTest, TheCpusAllocatorIsHeardThroughTheInterpreter) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "the sanitizers' allocators end a process that asks for so much";
#endif
  torch::jit::Module module("m");
  module.define("def forward(self, x):\n  return torch.ones([1 << 20, 1 << 24]) + x\n");
  try {
    module.forward({at::ones({1})});
    FAIL() << "64 TiB were there";
  } catch (const std::exception& error) {
    EXPECT_EQ(FaultOf(error), model::DeviceFault::kOutOfMemory) << error.what();
    EXPECT_EQ(StatusOf(error, absl::StatusCode::kInternal).code(), absl::StatusCode::kResourceExhausted);
  }
}

}  // namespace
}  // namespace torchferry::libtorch
