// The simulated accelerator itself: it computes what the CPU computes, and fails as a GPU does.
#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <gmock/gmock.h>

#include "server/torch/device/convert.h"
#include "server/torch/device/device_errors.h"
#include "server/torch/device/runtime.h"
#include "tests/testing/sim_fixture.h"

namespace torchferry::sim {
namespace {

using ::testing::HasSubstr;

using SimDeviceTest = SimTest;

TEST_F(SimDeviceTest, ComputesWhatTheCpuComputes) {
  const c10::InferenceMode guard;
  const at::Tensor x = at::randn({4, 3, 8, 8});
  const at::Tensor w = at::randn({5, 3, 3, 3});
  const auto compute = [](const at::Tensor& input, const at::Tensor& weight) {
    const at::Tensor y = at::relu(at::conv2d(input, weight));
    return at::softmax(y.transpose(1, 2).reshape({4, -1}).slice(1, 0, 50).add(1), -1);
  };
  const at::Tensor there = compute(x.to(Sim(1)), w.to(Sim(1)));
  EXPECT_EQ(there.device(), Sim(1));
  EXPECT_TRUE(at::equal(there.to(at::kCPU), compute(x, w)));
}

TEST_F(SimDeviceTest, DevicesDoNotMix) {
  const at::Tensor here = at::ones({2});
  const at::Tensor a = here.to(Sim(0));
  const at::Tensor b = here.to(Sim(1));
  EXPECT_THAT(Thrown([&] { a.add(b); }), HasSubstr("Expected all tensors to be on the same device"));
  EXPECT_THAT(Thrown([&] { a.add(here); }), HasSubstr("found at least two devices"));
  EXPECT_EQ(Thrown([&] { a.add(at::scalar_tensor(2)); }), "");
}

TEST_F(SimDeviceTest, MemoryIsItsOwnAndLimited) {
  const uint64_t before = BytesInUse(0);
  {
    const at::Tensor tensor = at::zeros({1 << 20}, at::device(Sim(0)).dtype(at::kFloat));
    EXPECT_EQ(BytesInUse(0), before + (4 << 20));
    EXPECT_EQ(libtorch::TorchRuntime::FreeBytes({"sim", 0}), (uint64_t{64} << 20) - BytesInUse(0));
    const std::string text = Thrown([] { at::empty({32 << 20}, at::device(Sim(0))); });
    EXPECT_EQ(libtorch::FaultOfMessage(text), model::DeviceFault::kOutOfMemory) << text;
  }
  EXPECT_EQ(BytesInUse(0), before);
}

TEST_F(SimDeviceTest, RunsOutOfMemoryWhenTold) {
  Devices::Get().SetFaults(0, {.out_of_memory_after_bytes = 1000});
  EXPECT_EQ(libtorch::FaultOfMessage(Thrown([] { at::empty({1000}, at::device(Sim(0))); })),
            model::DeviceFault::kOutOfMemory);
  EXPECT_EQ(Thrown([] { at::empty({1000}, at::device(Sim(1))); }), "");
  Devices::Get().SetFaults(0, {.out_of_memory_over_rows = 4});
  EXPECT_EQ(libtorch::FaultOfMessage(Thrown([] {
              at::empty({5, 1}, at::device(Sim(0)));
            })),
            model::DeviceFault::kOutOfMemory);
  EXPECT_EQ(Thrown([] { at::empty({4, 100}, at::device(Sim(0))); }), "");
}

TEST_F(SimDeviceTest, AStickyErrorShowsLateAndStays) {
  const at::Tensor a = at::ones({2}).to(Sim(0));
  Devices::Get().SetFaults(0, {.sticky_error = true});
  at::Tensor sum;
  EXPECT_EQ(Thrown([&] { sum = a.add(a); }), "");
  EXPECT_THAT(Thrown([&] { sum.to(at::kCPU); }), HasSubstr("illegal memory access"));
  Devices::Get().SetFaults(0, {});
  EXPECT_THAT(Thrown([&] { a.add(a); }), HasSubstr("illegal memory access"));
  EXPECT_EQ(Thrown([] { at::ones({2}).to(Sim(1)).add(1).to(at::kCPU); }), "");
}

TEST_F(SimDeviceTest, ALostDeviceFailsAtOnce) {
  const at::Tensor a = at::ones({2}).to(Sim(2));
  Devices::Get().SetFaults(2, {.lost = true});
  EXPECT_THAT(Thrown([&] { a.add(a); }), HasSubstr("device lost: sim:2"));
  EXPECT_THAT(Thrown([&] { a.to(at::kCPU); }), HasSubstr("device lost: sim:2"));
}

TEST_F(SimDeviceTest, ErrorsThatPass) {
  const at::Tensor a = at::ones({2}).to(Sim(0));
  Devices::Get().SetFaults(0, {.transient_errors = 2});
  for (int i = 0; i < 2; ++i)
    EXPECT_EQ(libtorch::FaultOfMessage(Thrown([&] { a.add(a); })), model::DeviceFault::kTransient);
  EXPECT_EQ(Thrown([&] { a.add(a).to(at::kCPU); }), "");
  Devices::Get().SetFaults(0, {.out_of_memory_times = 1});
  EXPECT_EQ(libtorch::FaultOfMessage(Thrown([&] { a.clone(); })), model::DeviceFault::kOutOfMemory);
  EXPECT_EQ(Thrown([&] { a.clone(); }), "");
}

TEST_F(SimDeviceTest, AProbeFindsOutHowADeviceIs) {
  EXPECT_TRUE(libtorch::TorchRuntime::Probe({"sim", 0}).ok());
  EXPECT_TRUE(libtorch::TorchRuntime::Probe(tensor::DeviceId::Cpu()).ok());
  Devices::Get().SetFaults(0, {.lost = true});
  EXPECT_EQ(model::DeviceFaultOf(libtorch::TorchRuntime::Probe({"sim", 0})), model::DeviceFault::kLost);
  Devices::Get().SetFaults(0, {.transient_errors = 1});
  EXPECT_EQ(model::DeviceFaultOf(libtorch::TorchRuntime::Probe({"sim", 0})), model::DeviceFault::kTransient);
  EXPECT_TRUE(libtorch::TorchRuntime::Probe({"sim", 0}).ok());
  Devices::Get().SetFaults(0, {.out_of_memory_after_bytes = 0});
  EXPECT_EQ(model::DeviceFaultOf(libtorch::TorchRuntime::Probe({"sim", 0})), model::DeviceFault::kOutOfMemory);
}

TEST_F(SimDeviceTest, CopiesAreSlowWhenTold) {
  const at::Tensor a = at::ones({2});
  Devices::Get().SetFaults(0, {.copy_delay = std::chrono::milliseconds(20)});
  const auto begin = std::chrono::steady_clock::now();
  a.to(Sim(0));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(20));
}

}  // namespace
}  // namespace torchferry::sim
