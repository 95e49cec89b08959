// Streams, page-locked memory and out-of-memory of one device. TORCHFERRY_TEST_DEVICE names it; "sim:0" is the default.
// The same cases run on a GPU and on the simulated accelerator.
#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <latch>
#include <set>
#include <thread>

#include "server/torch/device/device_errors.h"
#include "server/torch/device/device_stream.h"
#include "server/torch/device/staging.h"
#include "tests/gpu/device_under_test.h"

namespace torchferry::gpu {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kStreams = 4;  // that device_stream.cc makes at most
constexpr int64_t kMiB = int64_t{1} << 20;

double SecondsOf(const std::function<void()>& work) {
  const auto began = Clock::now();
  work();
  return std::chrono::duration<double>(Clock::now() - began).count();
}

void InThreads(int count, const std::function<void(int)>& work) {
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) {
    threads.emplace_back([&work, i] {
      const c10::InferenceMode mode;
      work(i);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

class DeviceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    static const auto runtime = StartRuntime(Name());
    if (!HasDevice(*runtime, Name())) GTEST_SKIP() << "this host has no " << Name();
    device_ = at::Device(Name());
  }

  static std::string Name() {
    const char* name = std::getenv("TORCHFERRY_TEST_DEVICE");
    return name == nullptr ? "sim:0" : name;
  }

  // The calling thread's.
  c10::StreamId CurrentStream() const { return c10::impl::VirtualGuardImpl(device_.type()).getStream(device_).id(); }

  c10::StreamId DefaultStream() const {
    return c10::impl::VirtualGuardImpl(device_.type()).getDefaultStream(device_).id();
  }

  const c10::InferenceMode mode_;
  at::Device device_ = at::kCPU;
};

TEST_F(DeviceTest, ComputesRight) {
  const absl::Status status = libtorch::TorchRuntime::Probe({device_.is_cuda() ? "cuda" : "sim", device_.index()});
  EXPECT_TRUE(status.ok()) << status;
}

TEST_F(DeviceTest, EachThreadHasAStreamAndOneTooManyHasTheDefaultOne) {
  std::array<c10::StreamId, kStreams + 1> streams{};
  std::latch all_have_one(kStreams + 1);
  InThreads(kStreams + 1, [&](int thread) {
    const libtorch::StreamLease lease(device_, true);
    streams.at(thread) = CurrentStream();
    all_have_one.arrive_and_wait();
  });
  const std::set<c10::StreamId> different(streams.begin(), streams.end());
  EXPECT_EQ(different.size(), streams.size());
  EXPECT_EQ(different.count(DefaultStream()), 1U);
}

TEST_F(DeviceTest, WithoutALeaseTheStreamIsTheDefaultOne) {
  const libtorch::StreamLease lease(device_, false);
  EXPECT_EQ(CurrentStream(), DefaultStream());
}

// Blocks of page-locked memory and of the device go from hand to hand here: one that is reused too early spoils values.
TEST_F(DeviceTest, WhatThreadsCopyAndComputeAtOnceStaysApart) {
  constexpr int kThreads = 8;
  constexpr int kRounds = 50;
  std::array<int, kThreads> wrong{};
  InThreads(kThreads, [&](int thread) {
    for (int round = 0; round < kRounds; ++round) {
      const int64_t rows = 1 + (thread * 7 + round * 13) % 64;
      const auto value = static_cast<float>(thread * 1000 + round);
      libtorch::StreamLease lease(device_, true);
      at::Tensor here = libtorch::StagingTensor({rows, 1024}, at::kFloat, lease);
      here.fill_(value);
      const at::Tensor there = libtorch::ToDevice(here, device_, at::kFloat);
      const at::Tensor back = libtorch::ToHost(there * 2 + 1, lease);
      lease.Synchronize();
      if (!at::equal(back, at::full({rows, 1024}, value * 2 + 1))) ++wrong.at(thread);
    }
  });
  EXPECT_EQ(wrong, (std::array<int, kThreads>{}));
}

TEST_F(DeviceTest, StagingMemoryIsPageLocked) {
  libtorch::StreamLease lease(device_, true);
  const at::Tensor here = libtorch::StagingTensor({1024}, at::kFloat, lease);
  EXPECT_TRUE(here.is_pinned());
}

TEST_F(DeviceTest, MoreThanTheDeviceHasIsOutOfMemoryAndItGoesOn) {
  try {
    at::empty({int64_t{1} << 43}, at::TensorOptions().dtype(at::kByte).device(device_));
    FAIL() << "there was room for 8 TiB";
  } catch (const std::exception& error) {
    EXPECT_EQ(libtorch::FaultOf(error), model::DeviceFault::kOutOfMemory) << error.what();
  }
  EXPECT_TRUE(at::equal(at::ones({3}).to(device_).add(1).to(at::kCPU), at::full({3}, 2)));
}

// A figure for the report of the check.
TEST_F(DeviceTest, FigureOfCopies) {
  constexpr int kCopies = 8;
  libtorch::StreamLease lease(device_, true);
  const at::Tensor pinned = libtorch::StagingTensor({64 * kMiB}, at::kByte, lease);
  const at::Tensor ordinary = at::empty({64 * kMiB}, at::kByte);
  at::Tensor there = at::empty({64 * kMiB}, at::TensorOptions().dtype(at::kByte).device(device_));
  const auto gib_per_second = [&](const at::Tensor& from) {
    from.zero_();
    there.copy_(from);
    const double seconds = SecondsOf([&] {
      for (int i = 0; i < kCopies; ++i) there.copy_(from, /*non_blocking=*/true);
      lease.Synchronize();
    });
    return kCopies * 64.0 / 1024 / seconds;
  };
  const double staged = gib_per_second(pinned);
  RecordProperty("figure", fmt::format("copies to the device: {:.1f} GiB/s, {:.1f} from ordinary memory", staged,
                                       gib_per_second(ordinary)));
  EXPECT_GT(staged, 0);
}

// Small work that one stream does in a row may overlap on four.
TEST_F(DeviceTest, FigureOfStreams) {
  constexpr int kRounds = 20;
  const auto seconds_with = [&](bool may_lease) {
    const auto work = [&](int rounds) {
      InThreads(kStreams, [&](int) {
        libtorch::StreamLease lease(device_, may_lease);
        at::Tensor x = at::full({256, 256}, 1.0F / 256).to(device_);
        for (int i = 0; i < rounds; ++i) x = at::mm(x, x);
        lease.Synchronize();
      });
    };
    work(2);
    return SecondsOf([&] { work(kRounds); });
  };
  const double one = seconds_with(false);
  const double four = seconds_with(true);
  RecordProperty("figure", fmt::format("4 threads on 4 streams: {:.2f} x as fast as on one", one / four));
  EXPECT_GT(four, 0);
}

}  // namespace
}  // namespace torchferry::gpu
