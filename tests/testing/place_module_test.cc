// Modules moved to another device, and what their code says of the one they came from.
#include "server/torch/graph/place_module.h"

#include <c10/core/InferenceMode.h>
#include <gmock/gmock.h>

#include <sstream>

#include "tests/testing/sim_fixture.h"

namespace torchferry::sim {
namespace {

using ::testing::HasSubstr;
using torch::jit::Module;

class PlaceModuleTest : public SimTest {
 protected:
  static libtorch::RewriteTarget To(const at::Device& device, bool renames_cpu = true) {
    return {device, renames_cpu, {}, at::kFloat};
  }

  static at::Tensor Run(const Module& module, const at::Tensor& x) {
    const c10::InferenceMode guard;
    return Module(module).forward({x}).toTensor();
  }

  // Gives on sim:1 what it gives on the CPU.
  static void ExpectSameThere(const Module& module, int devices, bool renames_cpu = true) {
    const at::Tensor x = at::randn({3, 4});
    const libtorch::PlacedModule placed = libtorch::PlaceModule(module, To(Sim(1), renames_cpu));
    EXPECT_EQ(placed.rewritten.devices, devices);
    at::Tensor y;
    ASSERT_EQ(Thrown([&] { y = Run(placed.module, x.to(Sim(1))); }), "");
    EXPECT_EQ(y.device(), Sim(1));
    // On the CPU the same code runs when no GPU is named in it any more.
    EXPECT_TRUE(at::allclose(y.to(at::kCPU), Run(libtorch::PlaceModule(module, To(at::kCPU)).module, x)));
  }
};

TEST_F(PlaceModuleTest, EveryWayToSayADevice) {
  const std::vector<std::pair<std::string, int>> cases = {
      {"return x.to('cpu') + 1", 1},
      {"return x.to(torch.device('cpu')) + 1", 1},
      {"return x.to(torch.device('cuda', 0)) + torch.arange(4, device='cuda:0')", 2},
      {"return x.to(device='cpu', dtype=6) + 1", 1},
      {"return x.cpu() + x.cuda() + x", 2},
      {"return x + torch.arange(4)", 1},
      {"return x + torch.zeros([4]) + torch.ones([4], device='cpu') + torch.full([4], 2.0)", 3},
      {"return x + torch.tensor([1.0, 2.0, 3.0, 4.0])", 1},
      {"return x + torch.zeros_like(x)", 0},
      {"return x + torch.arange(4, device=x.device)", 0},
      {"return x + torch.zeros([4]).to(torch.device('cuda' if x.is_cuda else 'cpu'))", 2},
      {"if x.size(0) > 1:\n    return x + torch.ones([4])\n  else:\n    return x - torch.ones([4])", 2},
      {"for i in range(2):\n    x = x + torch.ones([4])\n  return x", 1},
  };
  for (const auto& [body, devices] : cases) {
    SCOPED_TRACE(body);
    ExpectSameThere(Compile("def forward(self, x: Tensor) -> Tensor:\n  " + body + "\n"), devices);
  }
}

TEST_F(PlaceModuleTest, CallsOfMethodsAndSubmodulesToo) {
  Module child("child");
  child.register_buffer("table", at::arange(4, at::kFloat));
  child.define("def forward(self, x: Tensor) -> Tensor:\n  return x + self.table + torch.ones([4])\n");
  Module module("m");
  module.register_module("child", child);
  module.define(
      "def helper(self, x: Tensor) -> Tensor:\n  return x * torch.full([4], 3.0)\n"
      "def forward(self, x: Tensor) -> Tensor:\n  return self.child.forward(self.helper(x))\n");
  ExpectSameThere(module, 2);
}

TEST_F(PlaceModuleTest, AttributesThatNameADevice) {
  Module module("m");
  module.register_attribute("where", c10::DeviceObjType::get(), at::Device("cuda:0"));
  module.register_attribute("named", c10::StringType::get(), std::string("cuda:1"));
  module.register_attribute("title", c10::StringType::get(), std::string("cuda:1"));
  module.define(
      "def forward(self, x: Tensor) -> Tensor:\n  return x.to(self.where) + torch.ones([4], device=self.named)\n");
  module.eval();
  const libtorch::PlacedModule placed = libtorch::PlaceModule(module, To(Sim(1)));
  EXPECT_EQ(placed.rewritten.devices, 2);
  EXPECT_EQ(placed.module.attr("where").toDevice(), Sim(1));
  EXPECT_EQ(placed.module.attr("named").toStringRef(), "sim:1");
  EXPECT_EQ(placed.module.attr("title").toStringRef(), "cuda:1");
  const at::Tensor x = at::randn({3, 4});
  EXPECT_TRUE(at::equal(Run(placed.module, x.to(Sim(1))).to(at::kCPU), x + 1));
  // The module that it was made from can go elsewhere.
  EXPECT_EQ(module.attr("where").toDevice(), at::Device("cuda:0"));
  EXPECT_TRUE(at::equal(Run(libtorch::PlaceModule(module, To(at::kCPU)).module, x), x + 1));
}

TEST_F(PlaceModuleTest, DevicesInListsTuplesDictsAndObjects) {
  const auto cu = std::make_shared<torch::jit::CompilationUnit>();
  const auto config = c10::ClassType::create("__torch__.Config", cu);
  config->addAttribute("where", c10::DeviceObjType::get());
  config->addAttribute("named", c10::StringType::get());
  cu->register_type(config);
  const auto object = c10::ivalue::Object::create(c10::StrongTypePtr(cu, config), 2);
  object->setSlot(0, at::Device("cuda:0"));
  object->setSlot(1, std::string("cuda:0"));

  Module module("m");
  const c10::TypePtr device = c10::DeviceObjType::get();
  module.register_attribute("list", c10::ListType::create(device), c10::List<at::Device>({at::Device("cuda:0")}));
  module.register_attribute("pair", c10::TupleType::create({device, c10::IntType::get()}),
                            c10::ivalue::Tuple::create(at::Device("cuda:1"), int64_t{1}));
  c10::Dict<std::string, at::Device> dict;
  dict.insert("a", at::Device("cuda:0"));
  module.register_attribute("dict", c10::DictType::create(c10::StringType::get(), device), dict);
  module.register_attribute("names", c10::ListType::ofStrings(), c10::List<std::string>({"cuda:0", "cuda:1"}));
  module.register_attribute("config", config, object);
  module.define(
      "def forward(self, x: Tensor) -> Tensor:\n"
      "  x = x + torch.ones([4], device=self.list[0]) + torch.ones([4], device=self.pair[0])\n"
      "  x = x + torch.ones([4], device=self.dict['a']) + torch.ones([4], device=self.names[1])\n"
      "  return x + torch.ones([4], device=self.config.where) + torch.ones([4], device=self.config.named)\n");
  module.eval();
  const at::Tensor x = at::randn({3, 4});
  for (const bool renames_cpu : {true, false}) {
    for (const at::Device target : {Sim(1), at::Device(at::kCPU)}) {
      const libtorch::PlacedModule placed = libtorch::PlaceModule(module, To(target, renames_cpu));
      EXPECT_EQ(placed.rewritten.devices, 6);
      at::Tensor y;
      ASSERT_EQ(Thrown([&] { y = Run(placed.module, x.to(target)); }), "");
      EXPECT_EQ(y.device(), target);
      EXPECT_TRUE(at::allclose(y.to(at::kCPU), x + 6));
    }
  }
  EXPECT_EQ(object->getSlot(0).toDevice(), at::Device("cuda:0"));
}

TEST_F(PlaceModuleTest, ACpuThatIsMeantStaysOneWhereverItIsSaid) {
  Module module("m");
  module.register_attribute("names", c10::ListType::ofStrings(), c10::List<std::string>({"cuda:0", "cpu"}));
  module.define("def forward(self, x: Tensor, i: int) -> Tensor:\n  return x.to(self.names[i])\n");
  module.eval();
  libtorch::PlacedModule placed = libtorch::PlaceModule(module, To(Sim(1), /*renames_cpu=*/false));
  EXPECT_EQ(placed.module.forward({at::ones({2}), int64_t{0}}).toTensor().device(), Sim(1));
  EXPECT_EQ(placed.module.forward({at::ones({2}), int64_t{1}}).toTensor().device(), at::Device(at::kCPU));
}

// As a graph traced on a GPU has it: what went to the CPU did so on purpose.
TEST_F(PlaceModuleTest, WhatIsMeantForTheCpuStaysThere) {
  Module module("m");
  module.register_buffer("table", at::arange(12, at::kFloat).view({3, 4}));
  module.define(
      "def forward(self, x: Tensor) -> Tensor:\n"
      "  rows = torch.argmax(x, 0).cpu() + torch.zeros([4], dtype=4)\n"
      "  return self.table.to('cuda:0')[rows % 3]\n");
  module.eval();
  const at::Tensor x = at::randn({3, 4});
  const libtorch::PlacedModule placed = libtorch::PlaceModule(module, To(Sim(1), /*renames_cpu=*/false));
  EXPECT_EQ(placed.rewritten.devices, 1);
  const at::Tensor expected = module.attr("table").toTensor().index({at::argmax(x, 0)});
  EXPECT_TRUE(at::equal(Run(placed.module, x.to(Sim(1))).to(at::kCPU), expected));
  // And where everything is the CPU, or means it.
  EXPECT_TRUE(at::equal(Run(libtorch::PlaceModule(module, To(at::kCPU, false)).module, x), expected));
  EXPECT_TRUE(
      at::equal(Run(libtorch::PlaceModule(module, To(Sim(1), true)).module, x.to(Sim(1))).to(at::kCPU), expected));
}

TEST_F(PlaceModuleTest, LengthsOfPackedSequencesStayOnTheHost) {
  const Module module = Compile(
      "def forward(self, x: Tensor) -> Tensor:\n"
      "  lengths = torch.full([3], 4, dtype=4)\n"
      "  packed, sizes = torch._pack_padded_sequence(x.unsqueeze(-1), lengths, True)\n"
      "  return packed.sum().expand([3, 4]) + sizes.sum().to(x.device)\n");
  const at::Tensor x = at::randn({3, 4});
  const libtorch::PlacedModule placed = libtorch::PlaceModule(module, To(Sim(0)));
  at::Tensor y;
  ASSERT_EQ(Thrown([&] { y = Run(placed.module, x.to(Sim(0))); }), "");
  EXPECT_TRUE(at::allclose(y.to(at::kCPU), Run(module, x)));
}

// As torch.nn.utils.rnn has it: batch sizes must be on the host, lengths are indexed there.
TEST_F(PlaceModuleTest, PlacesToSplitAtStayOnTheHost) {
  const Module module = Compile(
      "def forward(self, x: Tensor) -> Tensor:\n"
      "  at = torch.argmax(x, 1)[:1] * 0 + 1\n"
      "  return torch.tensor_split(x, at, 1)[1] + torch.tensor_split(x, 2, 1)[0][:, 1:]\n");
  const at::Tensor x = at::randn({3, 3});
  at::Tensor y;
  ASSERT_EQ(Thrown([&] { y = Run(libtorch::PlaceModule(module, To(Sim(1))).module, x.to(Sim(1))); }), "");
  EXPECT_TRUE(at::equal(y.to(at::kCPU), Run(module, x)));
}

TEST_F(PlaceModuleTest, PackedSequencesThereAndBack) {
  const Module module = Compile(
      "def forward(self, x: Tensor) -> Tensor:\n"
      "  lengths = torch.full([3], 4, dtype=4)\n"
      "  lengths, order = torch.sort(lengths, 0, True)\n"
      "  packed, sizes = torch._pack_padded_sequence(torch.index_select(x.unsqueeze(-1), 0, order), lengths.cpu(), "
      "True)\n"
      "  back = torch.argsort(order)\n"
      "  y, lengths = torch._pad_packed_sequence(packed, sizes, True, 0.0, -1)\n"
      "  lengths = lengths[back.cpu()]\n"
      "  mask = torch.arange(4).unsqueeze(0) < lengths.unsqueeze(1)\n"
      "  return torch.index_select(y, 0, back).squeeze(-1) * mask\n");
  ExpectSameThere(module, 4);
}

TEST_F(PlaceModuleTest, TensorsInListsDictsTuplesAndConstants) {
  Module module("m");
  const at::Tensor shared = at::full({4}, 2.0F);
  module.register_buffer("shared", shared);
  module.register_attribute("list", c10::ListType::ofTensors(), c10::List<at::Tensor>({shared, at::ones({4})}));
  c10::Dict<std::string, at::Tensor> dict;
  dict.insert("a", at::full({4}, 5.0F));
  module.register_attribute("dict", c10::DictType::create(c10::StringType::get(), c10::TensorType::get()), dict);
  module.register_buffer("count", at::arange(4));
  module.define(
      "def forward(self, x: Tensor) -> Tensor:\n  return x + self.list[0] + self.list[1] + self.dict['a'] + "
      "self.count\n");
  ExpectSameThere(module, 0);
  const libtorch::PlacedModule placed = libtorch::PlaceModule(module, To(Sim(1)));
  EXPECT_TRUE(placed.module.attr("list").toTensorVector()[0].is_same(placed.module.attr("shared").toTensor()));
  EXPECT_EQ(placed.module.attr("count").toTensor().scalar_type(), at::kLong);
}

TEST_F(PlaceModuleTest, TiedTensorsStayTiedAndAreMovedOnce) {
  Module child("c");
  Module module("m");
  const at::Tensor weight = at::ones({1 << 20});
  child.register_parameter("w", weight, false);
  module.register_parameter("w", weight, false);
  module.register_module("child", child);
  module.define("def forward(self, x: Tensor) -> Tensor:\n  return x\n");
  const uint64_t before = BytesInUse(0);
  const libtorch::PlacedModule placed = libtorch::PlaceModule(module, To(Sim(0)));
  EXPECT_TRUE(placed.module.attr("w").toTensor().is_same(placed.module.attr("child").toModule().attr("w").toTensor()));
  EXPECT_EQ(BytesInUse(0) - before, 4U << 20);
}

TEST_F(PlaceModuleTest, ASubmoduleThatIsHeldTwiceStaysOne) {
  Module child("c");
  child.register_buffer("seen", at::zeros({4}));
  child.define(
      "def forward(self, x: Tensor) -> Tensor:\n  self.seen = self.seen + torch.ones([4])\n  return x + self.seen\n");
  Module module("m");
  module.register_module("a", child);
  module.register_module("b", child);
  module.define("def forward(self, x: Tensor) -> Tensor:\n  return self.b.forward(self.a.forward(x))\n");
  const libtorch::PlacedModule placed = libtorch::PlaceModule(module, To(Sim(1)));
  EXPECT_EQ(placed.rewritten.devices, 2);
  EXPECT_EQ(placed.module.attr("a").toObject().get(), placed.module.attr("b").toObject().get());
  EXPECT_TRUE(at::equal(Run(placed.module, at::zeros({4}).to(Sim(1))).to(at::kCPU), at::full({4}, 3.0F)));
}

TEST_F(PlaceModuleTest, OutOfMemoryOnTheWayLeavesNothingBehind) {
  Module module("m");
  for (int i = 0; i < 8; ++i) module.register_parameter("w" + std::to_string(i), at::ones({1 << 20}), false);
  module.define("def forward(self, x: Tensor) -> Tensor:\n  return x + self.w0[0] + torch.ones([4])\n");
  const uint64_t before = BytesInUse(2);
  Devices::Get().SetFaults(2, {.out_of_memory_after_bytes = 20 << 20});
  EXPECT_THAT(Thrown([&] { libtorch::PlaceModule(module, To(Sim(2))); }), HasSubstr("out of memory"));
  EXPECT_EQ(BytesInUse(2), before);
  Devices::Get().SetFaults(2, {});
  const at::Tensor x = at::randn({3, 4});
  EXPECT_TRUE(at::allclose(Run(libtorch::PlaceModule(module, To(Sim(2))).module, x.to(Sim(2))).to(at::kCPU), x + 2));
}

TEST_F(PlaceModuleTest, OnTheSameDeviceNothingIsCopied) {
  Module module("m");
  module.register_parameter("w", at::ones({4}), false);
  module.define("def forward(self, x: Tensor) -> Tensor:\n  return x + self.w + torch.ones([4])\n");
  const libtorch::PlacedModule placed = libtorch::PlaceModule(module, To(at::kCPU));
  EXPECT_EQ(placed.rewritten.count(), 0);
  EXPECT_TRUE(placed.module.attr("w").toTensor().is_same(module.attr("w").toTensor()));
}

TEST_F(PlaceModuleTest, HalfPrecisionBecomesFull) {
  Module module("m");
  module.register_parameter("w", at::full({4}, 0.5F, at::kHalf), false);
  module.register_buffer("order", at::arange(4));
  module.register_attribute("type", c10::IntType::get(), static_cast<int64_t>(at::kHalf));
  module.register_attribute("five", c10::IntType::get(), static_cast<int64_t>(at::kHalf));
  module.define(
      "def forward(self, x: Tensor) -> Tensor:\n"
      "  y = x.to(5) * self.w + torch.ones([4], dtype=5) + x.to(self.type)\n"
      "  if y.dtype == 5:\n    y = y + 1\n"
      "  return y + self.five + torch.zeros([4])[0]\n");
  module.eval();
  const libtorch::PlacedModule placed = libtorch::PlaceModule(module, {at::kCPU, true, {at::kHalf}, at::kFloat});
  EXPECT_EQ(placed.module.attr("w").toTensor().scalar_type(), at::kFloat);
  EXPECT_EQ(placed.module.attr("order").toTensor().scalar_type(), at::kLong);
  EXPECT_EQ(placed.module.attr("five").toInt(), static_cast<int64_t>(at::kHalf));
  EXPECT_EQ(placed.rewritten.dtypes, 4);
  const at::Tensor x = at::ones({4});
  const at::Tensor y = Run(placed.module, x);
  EXPECT_EQ(y.scalar_type(), at::kFloat);
  EXPECT_TRUE(at::equal(y, Run(module, x.to(at::kHalf)).to(at::kFloat)));
}

// An element type on its way to where it is used: FP16 to all of them, FP32 in the end.
TEST_F(PlaceModuleTest, ElementTypesAreFoundWhereverTheyComeFrom) {
  for (const std::string body : {
           "dtype = 5 if x.size(0) > 0 else 6\n  return x.to(dtype)",
           "dtype, more = (5, 7)\n  return x.to(dtype)",
           "if x.to(5).dtype in [5, 15]:\n    return x.to(6) * 2\n  return x.to(6)",
           "return x.to(5) * torch.ones([4], dtype=5)",
           "types = [5, 6]\n  return x.to(types[0]).to(types[1])",
           "types = [5]\n  types.append(6)\n  return x.to(types[0])",
           "types = {'a': 5}\n  return x.to(types['a'])",
           "dtype = 6\n  for i in range(2):\n    x = x.to(dtype)\n    dtype = 5\n  return x",
       }) {
    SCOPED_TRACE(body);
    const Module module = Compile("def forward(self, x: Tensor) -> Tensor:\n  " + body + "\n");
    const libtorch::PlacedModule placed = libtorch::PlaceModule(module, {at::kCPU, true, {at::kHalf}, at::kFloat});
    EXPECT_GE(placed.rewritten.dtypes, 1);
    const at::Tensor x = at::ones({4});
    const at::Tensor y = Run(placed.module, x);
    EXPECT_EQ(y.scalar_type(), at::kFloat);
    EXPECT_TRUE(at::equal(y, Run(module, x).to(at::kFloat)));
  }
}

TEST_F(PlaceModuleTest, ElementTypesInAttributes) {
  Module module("m");
  module.register_attribute("types", c10::ListType::ofInts(), c10::List<int64_t>({5, 6}));
  module.register_attribute("sizes", c10::ListType::ofInts(), c10::List<int64_t>({5, 6}));
  module.define(
      "def forward(self, x: Tensor) -> Tensor:\n"
      "  y = x.to(self.types[0])\n"
      "  if y.dtype in self.types:\n    y = y + 1\n"
      "  return y + self.sizes[0]\n");
  module.eval();
  const libtorch::PlacedModule placed = libtorch::PlaceModule(module, {at::kCPU, true, {at::kHalf}, at::kFloat});
  EXPECT_EQ(placed.module.attr("sizes").toIntVector(), (std::vector<int64_t>{5, 6}));
  const at::Tensor y = Run(placed.module, at::ones({4}));
  EXPECT_EQ(y.scalar_type(), at::kFloat);
  EXPECT_TRUE(at::equal(y, at::full({4}, 7.0F)));
}

TEST_F(PlaceModuleTest, TheLimitsOfATypeFollowIt) {
  const Module module = Compile(
      "def forward(self, x: Tensor) -> Tensor:\n"
      "  return torch.softmax(torch.masked_fill(x, x > 0, -3.4028234663852886e+38), -1, dtype=6)\n");
  const libtorch::PlacedModule placed = libtorch::PlaceModule(module, {at::kCPU, true, {at::kFloat}, at::kHalf});
  EXPECT_EQ(placed.rewritten.dtypes, 2);
  const at::Tensor y = Run(placed.module, at::tensor({1.0F, -1.0F}).to(at::kHalf));
  EXPECT_EQ(y.scalar_type(), at::kHalf);
  EXPECT_TRUE(at::equal(y.to(at::kFloat), at::tensor({0.0F, 1.0F})));
}

}  // namespace
}  // namespace torchferry::sim
