// A version that is placed on one device after another, and on several at the same time.
#include "server/torch/load/version_load.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <array>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <latch>
#include <thread>

#include "server/model/device_fault.h"
#include "server/torch/device/convert.h"
#include "tests/testing/sim_fixture.h"

namespace torchferry::sim {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::HasSubstr;

class VersionLoadTest : public SimTest {
 protected:
  VersionLoadTest() {
    fs::create_directories(store_ / "m" / "1");
    torch::jit::Module module("m");
    module.register_parameter("w", at::full({4}, 3.0F), false);
    module.register_attribute("pair", c10::TupleType::create({c10::TensorType::get(), c10::IntType::get()}),
                              c10::ivalue::Tuple::create(at::ones({4}), int64_t{1}));
    module.define("def forward(self, x: Tensor) -> Tensor:\n  return x * self.w + self.pair[0] + torch.ones([4])\n");
    module.save((store_ / "m" / "1" / "model.pt").string());
    request_.store = store_.string();
    request_.model = request_.config.name = "m";
    request_.version = 1;
    request_.host.devices = {{"sim", 0}, {"sim", 1}, {"sim", 2}, tensor::DeviceId::Cpu()};
    request_.host.device_types = {"sim", "cpu"};
  }
  ~VersionLoadTest() override { fs::remove_all(store_); }

  std::shared_ptr<const libtorch::VersionLoad> Read() const {
    auto version = plan::PlanFiles(request_);
    EXPECT_TRUE(version.ok()) << version.status();
    auto load = libtorch::VersionLoad::Read(request_, *std::move(version), {});
    EXPECT_TRUE(load.ok()) << load.status();
    return *load;
  }

  // Is on `device`, and says what a placement there says that was made alone.
  static void ExpectPlacedOn(const absl::StatusOr<model::PlacedModel>& placed, const tensor::DeviceId& device,
                             const model::PlacedModel& alone) {
    ASSERT_TRUE(placed.ok()) << placed.status();
    EXPECT_EQ(placed->model->device(), device);
    EXPECT_EQ(placed->info.decisions, alone.info.decisions);
    const tensor::BoundInputs x{{{libtorch::FromTorch(at::ones({4}), {4})}}, 1};
    const tensor::BoundInputs* const requests[] = {&x};
    model::PhaseTimes ignored;
    const auto outputs = placed->model->Predict(requests, ignored);
    ASSERT_TRUE(outputs.ok()) << outputs.status();
    const auto* values = reinterpret_cast<const float*>((*outputs)[0][0].tensor.bytes.data());
    EXPECT_EQ(values[3], 5.0F);
  }

  const fs::path store_ =
      fs::path(::testing::TempDir()) / ::testing::UnitTest::GetInstance()->current_test_info()->name();
  plan::LoadRequest request_;
};

// Where two threads wait for each other, once: each at its first allocation on its device, or when it has ended.
class Meeting {
 public:
  void Arrive(int device) {
    if (!has_arrived_.at(device).exchange(true)) both_.arrive_and_wait();
  }
  void End(int device) {
    if (!has_arrived_.at(device).exchange(true)) both_.count_down();
  }

 private:
  std::array<std::atomic<bool>, kMaxDevices> has_arrived_{};
  std::latch both_{2};
};

TEST_F(VersionLoadTest, ThePlansDeviceComesFirstAndTheOthersFollow) {
  const auto load = Read();
  const auto first = load->PlaceFirst();
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->placed.model->device(), (tensor::DeviceId{"sim", 0}));
  EXPECT_TRUE(first->preferred_devices.empty());
  EXPECT_THAT(first->fallback_devices,
              ::testing::ElementsAre(tensor::DeviceId{"sim", 1}, tensor::DeviceId{"sim", 2}, tensor::DeviceId::Cpu()));
}

TEST_F(VersionLoadTest, ADeviceWithoutMemoryIsPassedOverAndPreferredLater) {
  Devices::Get().SetFaults(0, {.out_of_memory_after_bytes = 1});
  const auto first = Read()->PlaceFirst();
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->placed.model->device(), (tensor::DeviceId{"sim", 1}));
  EXPECT_EQ(first->placed.info.fallback_from, "sim:0");
  EXPECT_THAT(first->preferred_devices, ::testing::ElementsAre(tensor::DeviceId{"sim", 0}));
  EXPECT_THAT(first->fallback_devices, ::testing::ElementsAre(tensor::DeviceId{"sim", 2}, tensor::DeviceId::Cpu()));
}

// [1, 2] -> [1, 2], by a product, with a passport whose one golden row is x = [1, 2] -> y.
class GoldenLoadTest : public VersionLoadTest {
 protected:
  // `y`: base64 of two FP32.
  void Save(const std::string& y) {
    torch::jit::Module module("m");
    module.register_parameter("w", at::eye(2) * 2, false);
    module.define("def forward(self, x: Tensor) -> Tensor:\n  return torch.mm(x, self.w)\n");
    module.save((store_ / "m" / "1" / "model.pt").string());
    std::ofstream(store_ / "m" / "1" / "torchferry.json")
        << R"({"format": "torchferry-passport", "version": 1, "golden": {"rtol": 0.01, "rows": [{"inputs":)"
        << R"({"x": {"type": "FP32", "shape": [1, 2], "data": "AACAPwAAAEA="}}, "outputs": {"OUTPUT__0":)"
        << R"({"type": "FP32", "shape": [1, 2], "data": ")" << y << R"("}}}]}})";
  }

  static std::vector<std::string> Texts(const model::ModelInfo& info) {
    std::vector<std::string> texts;
    for (const model::ParityInfo& parity : info.parity->List()) {
      texts.push_back(fmt::format("{} in {}: {}", parity.device, parity.precision, Name(parity.state)));
    }
    return texts;
  }

  static constexpr char kRight[] = "AAAAQAAAgEA=";  // [2, 4]
  static constexpr char kWrong[] = "AAAAQAAAoEA=";  // [2, 5]
};

TEST_F(GoldenLoadTest, AWrongKernelIsPassedOverAndNotPreferredLater) {
  Save(kRight);
  Devices::Get().SetFaults(0, {.wrong_products = true});
  const auto first = Read()->PlaceFirst();
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->placed.model->device(), (tensor::DeviceId{"sim", 1}));
  EXPECT_EQ(first->placed.info.fallback_reason, tensor::FallbackReason::kParity);
  EXPECT_TRUE(first->preferred_devices.empty());
  EXPECT_THAT(first->fallback_devices, ::testing::ElementsAre(tensor::DeviceId{"sim", 2}, tensor::DeviceId::Cpu()));
  EXPECT_THAT(Texts(first->placed.info), ::testing::ElementsAre("sim:0 in FP32: failed", "sim:1 in FP32: passed"));
}

TEST_F(GoldenLoadTest, AFurtherPlacementIsCheckedAndRefusedAlone) {
  Save(kRight);
  const auto load = Read();
  const auto first = load->PlaceFirst();
  ASSERT_TRUE(first.ok()) << first.status();
  Devices::Get().SetFaults(2, {.wrong_products = true});
  const auto refused = load->PlaceOn({"sim", 2});
  EXPECT_TRUE(model::IsOfParity(refused.status())) << refused.status();
  EXPECT_FALSE(model::IsOfDevice(refused.status()));
  EXPECT_TRUE(load->PlaceOn(tensor::DeviceId::Cpu()).ok());
  EXPECT_THAT(Texts(first->placed.info),
              ::testing::ElementsAre("sim:0 in FP32: passed", "sim:2 in FP32: failed", "cpu in FP32: passed"));
}

TEST_F(GoldenLoadTest, WhereNonePassesTheVersionFailsWithEachReason) {
  Save(kWrong);
  const auto first = Read()->PlaceFirst();
  EXPECT_EQ(first.status().code(), absl::StatusCode::kFailedPrecondition);
  for (const char* device : {"sim:0", "sim:1", "sim:2", "cpu"}) {
    EXPECT_THAT(
        std::string(first.status().message()),
        HasSubstr(fmt::format("not on {} in FP32: row 0, output \"OUTPUT__0\" at [0, 1] is 4 and was 5", device)));
  }
}

TEST_F(GoldenLoadTest, AWarningServesAndOffRunsNone) {
  Save(kWrong);
  request_.config.parity = config::ParityPolicy::kWarn;
  auto first = Read()->PlaceFirst();
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_THAT(first->placed.info.warnings, Contains(HasSubstr("beyond their tolerance")));
  EXPECT_THAT(Texts(first->placed.info), ::testing::ElementsAre("sim:0 in FP32: failed"));
  request_.config.parity = config::ParityPolicy::kOff;
  first = Read()->PlaceFirst();
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_THAT(Texts(first->placed.info), ::testing::ElementsAre("sim:0 in FP32: not_checked"));
}

TEST_F(VersionLoadTest, TwoThreadsPlaceItOnTwoDevicesAtTheSameTime) {
  const auto load = Read();
  ASSERT_TRUE(load->PlaceFirst().ok());
  const tensor::DeviceId one{"sim", 1};
  const tensor::DeviceId two{"sim", 2};
  const auto one_alone = load->PlaceOn(one);
  const auto two_alone = load->PlaceOn(two);
  ASSERT_TRUE(one_alone.ok() && two_alone.ok());
  EXPECT_THAT(one_alone->info.decisions, Contains(HasSubstr("sim:1")));
  // Both have decided before either goes on.
  Meeting meeting;
  Devices::Get().OnAllocate([&](int device) { meeting.Arrive(device); });
  const auto place = [&](const tensor::DeviceId& device) {
    auto placed = load->PlaceOn(device);
    meeting.End(device.index);
    return placed;
  };
  absl::StatusOr<model::PlacedModel> on_two;
  std::thread other([&] { on_two = place(two); });
  const auto on_one = place(one);
  other.join();
  Devices::Get().OnAllocate(nullptr);
  ExpectPlacedOn(on_one, one, *one_alone);
  ExpectPlacedOn(on_two, two, *two_alone);
}

}  // namespace
}  // namespace torchferry::sim
