// What the tests on the simulated accelerator stand on.
#pragma once

#include <gtest/gtest.h>
#include <torch/script.h>

#include "server/torch/device/staging.h"
#include "tests/testing/sim_backend.h"
#include "tests/testing/sim_device.h"
#include "tests/testing/sim_streams.h"

namespace torchferry::sim {

// Three sound devices of 64 MiB.
class SimTest : public ::testing::Test {
 protected:
  SimTest() {
    Devices::Get().Configure(3, uint64_t{64} << 20);
    Streams::Get().Configure();
    RegisterBackend();
    for (int i = 0; i < kMaxDevices; ++i) libtorch::ReleaseStagingMemory(Sim(i));
  }

  static at::Device Sim(int index) { return at::Device("sim:" + std::to_string(index)); }
  static uint64_t BytesInUse(int index) { return Devices::Get().GetUsage(index).bytes_in_use; }
};

inline torch::jit::Module Compile(const std::string& source) {
  torch::jit::Module module("m");
  module.define(source);
  module.eval();
  return module;
}

// The text of what `run` throws; empty when it does not.
template <typename Run>
std::string Thrown(const Run& run) {
  try {
    run();
    return "";
  } catch (const std::exception& error) {
    return error.what();
  }
}

}  // namespace torchferry::sim
