// The way of a batch to an accelerator and back: page-locked memory, streams, and one wait for it all.
#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <gmock/gmock.h>

#include <array>
#include <latch>
#include <mutex>
#include <set>
#include <thread>

#include "server/model/device_fault.h"
#include "server/torch/device/convert.h"
#include "server/torch/device/device_stream.h"
#include "server/torch/device/staging.h"
#include "server/torch/graph/place_module.h"
#include "server/torch/run/torch_model.h"
#include "tests/testing/sim_fixture.h"

namespace torchferry::sim {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kTwoOutputs[] = "def forward(self, x: Tensor) -> Tuple[Tensor, Tensor]:\n  return x * 2, x.t()\n";

class SimStreamsTest : public SimTest {
 protected:
  static constexpr int kDevice = 1;

  static std::shared_ptr<model::Model> Make(const torch::jit::Module& module, int device = kDevice,
                                            std::optional<libtorch::ModuleState> state = std::nullopt,
                                            int64_t max_batch_size = 8) {
    config::ModelConfig config;
    config.max_batch_size = max_batch_size;
    auto signature = libtorch::MakeSignature(module.get_method("forward").function().getSchema(), config);
    EXPECT_TRUE(signature.ok()) << signature.status();
    const auto placed = libtorch::PlaceModule(module, {Sim(device), true, {}, at::kFloat});
    return MakeTorchModel(placed.module, *std::move(signature), {"sim", device}, std::move(state));
  }

  static tensor::BoundInputs Bind(const at::Tensor& tensor) {
    return {{{libtorch::FromTorch(tensor, tensor::Shape(tensor.sizes().begin(), tensor.sizes().end()))}},
            tensor.size(0)};
  }

  static at::Tensor Rows(int64_t rows, float first) {
    return at::arange(rows * 3, at::kFloat).view({rows, 3}).add(first);
  }

  static at::Tensor ToTensor(const model::NamedTensor& output) {
    return at::from_blob(const_cast<std::byte*>(output.tensor.bytes.data()), output.tensor.shape,
                         at::TensorOptions().dtype(libtorch::ToTorch(output.tensor.dtype).value()))
        .clone();
  }

  static absl::StatusOr<std::vector<model::Outputs>> Predict(model::Model& model,
                                                             const std::vector<tensor::BoundInputs>& requests) {
    std::vector<const tensor::BoundInputs*> pointers;
    for (const tensor::BoundInputs& request : requests) pointers.push_back(&request);
    model::PhaseTimes ignored;
    return model.Predict(pointers, ignored);
  }

  // That the first output of each is twice its rows.
  static void ExpectDoubled(const absl::StatusOr<std::vector<model::Outputs>>& outputs,
                            const std::vector<at::Tensor>& rows) {
    ASSERT_TRUE(outputs.ok()) << outputs.status();
    ASSERT_EQ(outputs->size(), rows.size());
    for (size_t i = 0; i < rows.size(); ++i) EXPECT_TRUE(at::equal(ToTensor((*outputs)[i][0]), rows[i] * 2)) << i;
  }

  // What was counted since the last call.
  static Traffic Since(Traffic& last) {
    Traffic now = Streams::Get().GetTraffic(kDevice);
    const Traffic before = std::exchange(last, now);
    now.late_copies -= before.late_copies;
    now.blocking_copies -= before.blocking_copies;
    now.waits -= before.waits;
    return now;
  }
};

TEST_F(SimStreamsTest, ACopyOfPageLockedMemoryIsNotWaitedFor) {
  const c10::InferenceMode guard;
  libtorch::StreamLease stream(Sim(kDevice), true);
  const at::Tensor there = at::ones({3}).to(Sim(kDevice)).add(1);
  const at::Tensor back = libtorch::ToHost(there, stream);
  EXPECT_TRUE(IsPinned(back.const_data_ptr()));
  EXPECT_FALSE(at::equal(back, at::full({3}, 2)));
  stream.Synchronize();
  EXPECT_TRUE(at::equal(back, at::full({3}, 2)));
}

TEST_F(SimStreamsTest, AnotherStreamDoesNotWait) {
  const c10::InferenceMode guard;
  libtorch::StreamLease first(Sim(kDevice), true);
  at::Tensor here = libtorch::StagingTensor({2}, at::kFloat, first);
  here.fill_(5);
  at::Tensor there;
  there = libtorch::ToDevice(here, Sim(kDevice), at::kFloat);
  std::thread([&] {
    const c10::InferenceMode other;
    libtorch::StreamLease second(Sim(kDevice), true);
    EXPECT_FALSE(at::equal(there.to(at::kCPU), here));
  }).join();
  EXPECT_TRUE(at::equal(there.to(at::kCPU), here));
}

TEST_F(SimStreamsTest, ABatchIsCopiedByTheDeviceAndWaitedForOnce) {
  const auto model = Make(Compile("def forward(self, x: Tensor) -> Tuple[Tensor, Tensor]:\n  return x * 2, x + 1\n"));
  Traffic last;
  Since(last);
  const std::vector<at::Tensor> rows = {Rows(1, 0), Rows(2, 10)};
  ExpectDoubled(Predict(*model, {Bind(rows[0]), Bind(rows[1])}), rows);
  Traffic seen = Since(last);
  EXPECT_EQ(seen.late_copies, 3U);  // one in, two out
  EXPECT_EQ(seen.blocking_copies, 0U);
  EXPECT_EQ(seen.waits, 1U);
  ExpectDoubled(Predict(*model, {Bind(rows[1])}), {rows[1]});
  seen = Since(last);
  EXPECT_EQ(seen.late_copies, 3U);
  EXPECT_EQ(seen.blocking_copies, 0U);
  EXPECT_EQ(seen.waits, 1U);
}

TEST_F(SimStreamsTest, OutputsThatAreNotContiguous) {
  const auto model = Make(Compile(kTwoOutputs), kDevice, std::nullopt, 0);
  const at::Tensor x = Rows(2, 0);
  const auto outputs = Predict(*model, {Bind(x)});
  ASSERT_TRUE(outputs.ok()) << outputs.status();
  EXPECT_TRUE(at::equal(ToTensor((*outputs)[0][1]), x.t()));
}

// Which LibTorch keeps as a mark on a view, and would make up for before the bytes are there.
TEST_F(SimStreamsTest, OutputsThatAreConjugatedOrNegated) {
  const auto model =
      Make(Compile("def forward(self, x: Tensor) -> Tuple[Tensor, Tensor]:\n  z = torch.conj(torch.complex(x, x + "
                   "1))\n  return z, z.imag\n"));
  const at::Tensor x = Rows(2, 0);
  const auto outputs = Predict(*model, {Bind(x)});
  ASSERT_TRUE(outputs.ok()) << outputs.status();
  EXPECT_TRUE(at::equal(ToTensor((*outputs)[0][0]), at::complex(x, -(x + 1))));
  EXPECT_TRUE(at::equal(ToTensor((*outputs)[0][1]), -(x + 1)));
}

TEST_F(SimStreamsTest, OneAfterTheOtherUsesOneStream) {
  const auto model = Make(Compile(kTwoOutputs), kDevice, std::nullopt, 0);
  for (int i = 0; i < 3; ++i) {
    std::thread([&] { EXPECT_TRUE(Predict(*model, {Bind(Rows(1, 0))}).ok()); }).join();
  }
  const std::vector<int64_t> taken = Streams::Get().GetTraffic(kDevice).taken;
  EXPECT_LE(taken.size(), 1U);  // none, where an earlier test has left one
}

TEST_F(SimStreamsTest, AtTheSameTimeEachHasItsOwn) {
  std::array<std::optional<c10::Stream>, 3> streams;
  std::latch all(3);
  std::vector<std::thread> threads;
  for (auto& stream : streams) {
    threads.emplace_back([&] {
      const libtorch::StreamLease lease(Sim(kDevice), true);
      stream = c10::impl::VirtualGuardImpl(c10::DeviceType::PrivateUse1).getStream(Sim(kDevice));
      all.arrive_and_wait();
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::set<int64_t> ids;
  for (const auto& stream : streams) ids.insert(stream->id());
  EXPECT_EQ(ids.size(), 3U);
  EXPECT_FALSE(ids.contains(Streams::kDefault));
  EXPECT_EQ(Streams::Current(kDevice), Streams::kDefault);
}

TEST_F(SimStreamsTest, WhoFindsNoneFreeHasTheDefaultStream) {
  constexpr int kThreads = 7;
  std::mutex mutex;
  std::multiset<int64_t> ids;
  std::latch all(kThreads);
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      const libtorch::StreamLease lease(Sim(kDevice), true);
      {
        const std::lock_guard lock(mutex);
        ids.insert(Streams::Current(kDevice));
      }
      all.arrive_and_wait();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(ids.count(Streams::kDefault), 3U);
  EXPECT_EQ(std::set(ids.begin(), ids.end()).size(), 5U);
}

// cuBLAS keeps memory for each pair of them.
TEST_F(SimStreamsTest, AThreadHasTheStreamAgainThatItHadLast) {
  std::optional<libtorch::StreamLease> first(std::in_place, Sim(kDevice), true);
  const int64_t had = Streams::Current(kDevice);
  std::latch taken(1);
  std::latch release(1);
  std::thread other([&] {
    const libtorch::StreamLease lease(Sim(kDevice), true);
    EXPECT_NE(Streams::Current(kDevice), had);
    taken.count_down();
    release.wait();
  });
  taken.wait();
  first.reset();
  release.count_down();
  other.join();  // which gave its own back last
  const libtorch::StreamLease again(Sim(kDevice), true);
  EXPECT_EQ(Streams::Current(kDevice), had);
}

TEST_F(SimStreamsTest, ManyAtTheSameTimeAnswerRightly) {
  const auto model = Make(Compile("def forward(self, x: Tensor) -> Tensor:\n  return x * 2\n"));
  Devices::Get().SetFaults(kDevice, {.copy_delay = std::chrono::microseconds(100)});
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < 100; ++i) {
        const std::vector<at::Tensor> rows = {Rows(1, static_cast<float>(1000 * thread + i)),
                                              Rows(i % 3 + 1, static_cast<float>(i))};
        ExpectDoubled(Predict(*model, {Bind(rows[0]), Bind(rows[1])}), rows);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(SimStreamsTest, WhatIsLoadedOnOneStreamRunsOnAnother) {
  torch::jit::Module module("m");
  module.register_parameter("w", at::full({3}, 2.0F), false);
  module.define("def forward(self, x: Tensor) -> Tensor:\n  return x * self.w\n");
  module.eval();
  config::ModelConfig config;
  config.max_batch_size = 8;
  auto signature = libtorch::MakeSignature(module.get_method("forward").function().getSchema(), config);
  ASSERT_TRUE(signature.ok());
  // As a loader whose copies are in flight.
  libtorch::StreamLease loading(Sim(kDevice), false);
  at::Tensor w = libtorch::StagingTensor({3}, at::kFloat, loading);
  w.fill_(2);
  module.setattr("w", libtorch::ToDevice(w, Sim(kDevice), at::kFloat));
  const auto model = MakeTorchModel(module, *std::move(signature), {"sim", kDevice});
  ExpectDoubled(Predict(*model, {Bind(Rows(2, 1))}), {Rows(2, 1)});
}

TEST_F(SimStreamsTest, WithoutPageLockedMemory) {
  const auto model = Make(Compile("def forward(self, x: Tensor) -> Tensor:\n  return x * 2\n"));
  Devices::Get().SetFaults(0, {.no_pinned_memory = true});
  ExpectDoubled(Predict(*model, {Bind(Rows(1, 0)), Bind(Rows(2, 4))}), {Rows(1, 0), Rows(2, 4)});
}

TEST_F(SimStreamsTest, WithoutStreams) {
  Devices::Get().Configure(8, uint64_t{64} << 20);
  Devices::Get().SetFaults(7, {.no_streams = true});
  const auto model = Make(Compile("def forward(self, x: Tensor) -> Tensor:\n  return x * 2\n"), 7);
  ExpectDoubled(Predict(*model, {Bind(Rows(1, 0)), Bind(Rows(2, 4))}), {Rows(1, 0), Rows(2, 4)});
  EXPECT_THAT(Streams::Get().GetTraffic(7).taken, IsEmpty());
}

TEST_F(SimStreamsTest, AnErrorThatShowsLateIsTheBatchs) {
  const auto model = Make(Compile("def forward(self, x: Tensor) -> Tensor:\n  return x * 2\n"), 2);
  Devices::Get().SetFaults(2, {.sticky_error = true});
  const auto outputs = Predict(*model, {Bind(Rows(1, 0))});
  EXPECT_EQ(model::DeviceFaultOf(outputs.status()), model::DeviceFault::kLost);
  EXPECT_THAT(outputs.status().message(), HasSubstr("illegal memory access"));
  EXPECT_FALSE(Predict(*model, {Bind(Rows(1, 0))}).ok());
  libtorch::ReleaseStagingMemory(Sim(2));  // which the device does not take back any more
}

TEST_F(SimStreamsTest, AnswersOutliveTheirDevice) {
  const auto model = Make(Compile("def forward(self, x: Tensor) -> Tensor:\n  return x * 2\n"), 2);
  auto outputs = Predict(*model, {Bind(Rows(2, 0))});
  Devices::Get().SetFaults(2, {.lost = true});
  ExpectDoubled(outputs, {Rows(2, 0)});
  outputs = absl::CancelledError("");
  EXPECT_EQ(model::DeviceFaultOf(Predict(*model, {Bind(Rows(2, 0))}).status()), model::DeviceFault::kLost);
}

// The next one on its stream finds nothing of it.
TEST_F(SimStreamsTest, WhatARaisingModelLeftIsWaitedFor) {
  const auto raising =
      Make(Compile("def forward(self, x: Tensor) -> Tensor:\n  y = x * 2\n  assert y.size(0) < 3\n  return y\n"));
  Traffic last;
  Since(last);
  EXPECT_FALSE(Predict(*raising, {Bind(Rows(3, 0))}).ok());
  EXPECT_EQ(Since(last).waits, 1U);
  ExpectDoubled(Predict(*raising, {Bind(Rows(2, 0))}), {Rows(2, 0)});
}

TEST_F(SimStreamsTest, ACopyOfAStateIsThereForAnyStream) {
  torch::jit::Module module("m");
  module.register_buffer("sum", at::zeros({1, 3}));
  module.define("def forward(self, x: Tensor) -> Tensor:\n  self.sum.add_(x)\n  return self.sum.clone()\n");
  module.eval();
  const auto state = libtorch::FindState(module, "m");
  ASSERT_TRUE(state.ok()) << state.status();
  const auto model = Make(module, kDevice, *state);
  ASSERT_TRUE(model->is_stateful());
  const auto copy = model->Clone();
  ASSERT_TRUE(copy.ok()) << copy.status();
  Streams::Get().Configure();
  for (int i = 1; i < 4; ++i) {
    std::thread([&] {
      const auto outputs = Predict(**copy, {Bind(Rows(1, 0))});
      ASSERT_TRUE(outputs.ok()) << outputs.status();
      EXPECT_TRUE(at::equal(ToTensor((*outputs)[0][0]), Rows(1, 0) * i));
    }).join();
  }
  // What one run gives up, another one has made: on one stream it is not given to others before it was read.
  EXPECT_THAT(Streams::Get().GetTraffic(kDevice).copied_on, ElementsAre(Streams::kDefault));
}

TEST_F(SimStreamsTest, PageLockedMemoryIsUsedAgainAndHasALimit) {
  libtorch::StreamLease stream(Sim(kDevice), true);
  const void* const first = libtorch::StagingTensor({1 << 10}, at::kFloat, stream).const_data_ptr();
  EXPECT_NE(libtorch::StagingTensor({1 << 10}, at::kFloat, stream).const_data_ptr(),
            first);  // kept until the stream was waited for
  stream.Synchronize();
  std::set<const void*> again;
  std::vector<at::Tensor> tensors;
  for (int i = 0; i < 2; ++i) {
    tensors.push_back(libtorch::StagingTensor({1 << 10}, at::kFloat, stream));
    again.insert(tensors.back().const_data_ptr());
  }
  EXPECT_TRUE(again.contains(first));
  int pinned = 0;
  for (int i = 0; i < 6; ++i) {
    tensors.push_back(libtorch::StagingTensor({16 << 20}, at::kFloat, stream));  // 64 MiB
    pinned += IsPinned(tensors.back().const_data_ptr()) ? 1 : 0;
  }
  EXPECT_EQ(pinned, 3);  // of 256 MiB, with the small ones
}

// As CUDA's, the allocator asks devices at each free, and any that has failed makes it throw.
TEST_F(SimStreamsTest, PageLockedMemoryThatCannotGoBackIsUsedAgain) {
  libtorch::StreamLease stream(Sim(kDevice), true);
  const void* const block = libtorch::StagingTensor({5 << 10}, at::kFloat, stream).const_data_ptr();
  stream.Synchronize();
  const auto failing = Make(Compile("def forward(self, x: Tensor) -> Tensor:\n  return x * 2\n"), 2);
  Devices::Get().SetFaults(2, {.sticky_error = true});
  EXPECT_FALSE(Predict(*failing, {Bind(Rows(1, 0))}).ok());
  for (int i = 0; i < 3; ++i) {
    libtorch::ReleaseStagingMemory(Sim(kDevice));
    libtorch::SweepStagingMemory(Sim(kDevice), base::Clock::Real().Now() + std::chrono::hours(1));
    EXPECT_EQ(libtorch::StagingTensor({5 << 10}, at::kFloat, stream).const_data_ptr(), block);
    stream.Synchronize();
  }
}

TEST_F(SimStreamsTest, PageLockedMemoryThatNobodyNeedsGoesBack) {
  libtorch::StreamLease stream(Sim(kDevice), true);
  const void* const block = libtorch::StagingTensor({3 << 10}, at::kFloat, stream).const_data_ptr();
  stream.Synchronize();
  const base::TimePoint now = base::Clock::Real().Now();
  libtorch::SweepStagingMemory(Sim(kDevice), now + std::chrono::seconds(29));
  EXPECT_TRUE(IsPinned(block)) << "it is kept for the next batch";
  libtorch::SweepStagingMemory(Sim(kDevice), now + std::chrono::seconds(31));
  EXPECT_FALSE(IsPinned(block));
  const at::Tensor next = libtorch::StagingTensor({3 << 10}, at::kFloat, stream);
  EXPECT_TRUE(IsPinned(next.const_data_ptr())) << "there is more when it is needed";
}

}  // namespace
}  // namespace torchferry::sim
