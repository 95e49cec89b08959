#include "server/torch/run/torch_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <memory>
#include <thread>

#include "server/base/status.h"
#include "server/model/raised.h"
#include "server/torch/device/convert.h"
#include "server/torch/graph/reachable_graph.h"
#include "server/torch/run/random_turn.h"

namespace torchferry::libtorch {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

std::shared_ptr<model::Model> Make(const std::string& source, const config::ModelConfig& config) {
  torch::jit::Module module("m");
  module.define(source);
  module.eval();
  auto signature = MakeSignature(module.get_method("forward").function().getSchema(), config);
  EXPECT_TRUE(signature.ok()) << signature.status();
  return MakeTorchModel(module, *std::move(signature), tensor::DeviceId::Cpu());
}

config::ModelConfig Batched() {
  config::ModelConfig config;
  config.max_batch_size = 8;
  return config;
}

tensor::BoundInputs Bind(const at::Tensor& tensor, int64_t rows) {
  return {{{FromTorch(tensor, tensor::Shape(tensor.sizes().begin(), tensor.sizes().end()))}}, rows};
}

at::Tensor ToTensor(const model::NamedTensor& output) {
  return at::from_blob(const_cast<std::byte*>(output.tensor.bytes.data()), output.tensor.shape,
                       at::TensorOptions().dtype(ToTorch(output.tensor.dtype).value()))
      .clone();
}

absl::StatusOr<std::vector<model::Outputs>> Predict(model::Model& model,
                                                    const std::vector<tensor::BoundInputs>& requests) {
  std::vector<const tensor::BoundInputs*> pointers;
  for (const tensor::BoundInputs& request : requests) pointers.push_back(&request);
  model::PhaseTimes ignored;
  return model.Predict(pointers, ignored);
}

TEST(TorchModelTest, GathersAndSplitsRowsInOrder) {
  const auto model = Make("def forward(self, x: Tensor) -> Tensor:\n  return x * 2\n", Batched());
  const at::Tensor a = at::arange(0, 3, at::kFloat).view({1, 3});
  const at::Tensor b = at::arange(10, 16, at::kFloat).view({2, 3});
  const auto outputs = Predict(*model, {Bind(a, 1), Bind(b, 2)});
  ASSERT_TRUE(outputs.ok()) << outputs.status();
  ASSERT_EQ(outputs->size(), 2u);
  EXPECT_EQ((*outputs)[0][0].name, "OUTPUT__0");
  EXPECT_TRUE(at::equal(ToTensor((*outputs)[0][0]), a * 2));
  EXPECT_TRUE(at::equal(ToTensor((*outputs)[1][0]), b * 2));
}

// LibTorch has one default generator; a server has several models.
TEST(TorchModelTest, AModelThatSeedsChangesNoOtherModelsNumbers) {
  const auto seeds =
      Make("def forward(self, x: Tensor) -> Tensor:\n  torch.manual_seed(7)\n  return torch.rand_like(x)\n", {});
  const auto draws = Make("def forward(self, x: Tensor) -> Tensor:\n  return torch.rand_like(x)\n", {});
  const tensor::BoundInputs x = Bind(at::zeros({4}), 0);
  const auto run = [&x](model::Model& model) {
    const auto outputs = Predict(model, {x});
    EXPECT_TRUE(outputs.ok()) << outputs.status();
    return ToTensor((*outputs)[0][0]);
  };
  at::manual_seed(1);
  const at::Tensor first = run(*draws);
  const at::Tensor second = run(*draws);
  at::manual_seed(1);
  const at::Tensor seeded = run(*seeds);
  EXPECT_TRUE(at::equal(run(*draws), first));
  EXPECT_TRUE(at::equal(run(*seeds), seeded));
  EXPECT_TRUE(at::equal(run(*draws), second));
  EXPECT_FALSE(at::equal(first, second));
}

// One that seeds once goes on from there, whatever others draw meanwhile.
TEST(TorchModelTest, AModelThatSeedsGoesOnFromWhereItWas) {
  const auto make = [] {
    return Make(
        "def forward(self, x: Tensor) -> Tensor:\n  if bool(x[0] > 0):\n    torch.manual_seed(7)\n"
        "  return torch.rand_like(x)\n",
        {});
  };
  const auto draws = Make("def forward(self, x: Tensor) -> Tensor:\n  return torch.rand_like(x)\n", {});
  const auto run = [](model::Model& model, float seed) {
    const auto outputs = Predict(model, {Bind(at::full({4}, seed), 0)});
    EXPECT_TRUE(outputs.ok()) << outputs.status();
    return ToTensor((*outputs)[0][0]);
  };
  const auto alone = make();
  const at::Tensor expected[] = {run(*alone, 1), run(*alone, 0), run(*alone, 0)};
  const auto among_others = make();
  EXPECT_TRUE(at::equal(run(*among_others, 1), expected[0]));
  run(*draws, 0);
  EXPECT_TRUE(at::equal(run(*among_others, 0), expected[1]));
  run(*alone, 1);
  EXPECT_TRUE(at::equal(run(*among_others, 0), expected[2]));
}

TEST(TorchModelTest, RunsThatSeedAndRunsThatDrawMayCrossOnManyThreads) {
  const auto seeds =
      Make("def forward(self, x: Tensor) -> Tensor:\n  torch.manual_seed(7)\n  return torch.rand_like(x)\n", {});
  const auto draws = Make("def forward(self, x: Tensor) -> Tensor:\n  return torch.rand_like(x)\n", {});
  const tensor::BoundInputs x = Bind(at::zeros({1000}), 0);
  const at::Tensor seeded = ToTensor((*Predict(*seeds, {x}))[0][0]);
  std::atomic<int> others = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&, i] {
        for (int run = 0; run < 100; ++run) {
          const at::Tensor numbers = ToTensor((*Predict(i % 2 == 0 ? *seeds : *draws, {x}))[0][0]);
          if (at::equal(numbers, seeded) != (i % 2 == 0)) ++others;
        }
      });
    }
  }
  EXPECT_EQ(others, 0);
}

TEST(RandomUseTest, IsFoundInTheGraph) {
  const auto use = [](const std::string& body) {
    torch::jit::Module module("m");
    module.register_attribute("training", c10::BoolType::get(), true);
    module.define("def forward(self, x: Tensor) -> Tensor:\n  " + body + "\n");
    module.eval();
    return RandomUseOf(module);
  };
  EXPECT_EQ(use("return x + 1"), RandomUse::kNone);
  EXPECT_EQ(use("return torch.dropout(x, 0.5, self.training)"), RandomUse::kNone);
  EXPECT_EQ(use("return torch.dropout(x, 0.5, True)"), RandomUse::kDraws);
  EXPECT_EQ(use("return torch.bernoulli(x)"), RandomUse::kDraws);
  EXPECT_EQ(use("return x.normal_()"), RandomUse::kDraws);
  EXPECT_EQ(use("return torch.randn([2])"), RandomUse::kDraws);
  EXPECT_EQ(use("torch.manual_seed(1)\n  return x"), RandomUse::kSeeds);
}

// A single request's bytes are the client's: they stay as they are, and no answer points into them.
TEST(TorchModelTest, ARequestsBytesAreNeitherWrittenNorGivenBack) {
  const std::string sources[] = {
      "def forward(self, x: Tensor) -> Tensor:\n  return x\n",
      "def forward(self, x: Tensor) -> Tensor:\n  return x[:, 1:]\n",
      "def forward(self, x: Tensor) -> Tensor:\n  return x.add_(1)\n",
      "def forward(self, x: Tensor) -> Tensor:\n  y = x.view(-1)\n  y[0] = 7.0\n  return y.view(x.size(0), -1)\n"};
  for (const std::string& source : sources) {
    const auto model = Make(source, Batched());
    const at::Tensor x = at::arange(0, 6, at::kFloat).view({2, 3}).clone();
    const at::Tensor before = x.clone();
    const auto outputs = Predict(*model, {Bind(x, 2)});
    ASSERT_TRUE(outputs.ok()) << outputs.status();
    EXPECT_TRUE(at::equal(x, before)) << source;
    const at::Tensor answer = ToTensor((*outputs)[0][0]);
    x.fill_(-1);
    EXPECT_TRUE(at::equal(ToTensor((*outputs)[0][0]), answer)) << source;
  }
}

// Which LibTorch keeps as a mark on a view.
TEST(TorchModelTest, ConjugatedAndNegatedOutputsAreWhatTheySay) {
  const auto model = Make(
      "def forward(self, x: Tensor) -> Tuple[Tensor, Tensor]:\n  z = torch.conj(torch.complex(x, x + 1))\n  return z, "
      "z.imag\n",
      Batched());
  const at::Tensor x = at::arange(0, 6, at::kFloat).view({2, 3});
  const auto outputs = Predict(*model, {Bind(x, 2)});
  ASSERT_TRUE(outputs.ok()) << outputs.status();
  EXPECT_TRUE(at::equal(ToTensor((*outputs)[0][0]), at::complex(x, -(x + 1))));
  EXPECT_TRUE(at::equal(ToTensor((*outputs)[0][1]), -(x + 1)));
}

// An answer may wait for long until its client has read it.
TEST(TorchModelTest, ALongOutputKeepsNothingElse) {
  const at::Tensor row = at::arange(0, 8192, at::kFloat).view({1, -1});
  const auto model = Make("def forward(self, x: Tensor) -> Tensor:\n  return x * 2\n", Batched());
  const auto batch = Predict(*model, {Bind(row, 1), Bind(row + 1, 1)}).value();
  const auto& first = batch[0][0].tensor.bytes;
  EXPECT_NE(first.data() + first.size(), batch[1][0].tensor.bytes.data());  // as rows of one tensor are
  EXPECT_TRUE(at::equal(ToTensor(batch[0][0]), row * 2));
  EXPECT_TRUE(at::equal(ToTensor(batch[1][0]), (row + 1) * 2));

  const auto cut = Make(
      "def forward(self, x: Tensor) -> Tuple[Tensor, Tensor]:\n  y = torch.cat([x, x + 1])\n  return y[:1], y[1:]\n",
      Batched());
  const auto parts = Predict(*cut, {Bind(row, 1)});
  ASSERT_TRUE(parts.ok()) << parts.status();
  const auto& part = (*parts)[0][0].tensor.bytes;
  EXPECT_NE(part.data() + part.size(), (*parts)[0][1].tensor.bytes.data());
  EXPECT_TRUE(at::equal(ToTensor((*parts)[0][1]), row + 1));
}

TEST(TorchModelTest, OutputsOutliveTheModel) {
  auto model = Make("def forward(self, x: Tensor) -> Tensor:\n  return x + 1\n", Batched());
  auto outputs = Predict(*model, {Bind(at::zeros({1, 2}), 1)});
  model.reset();
  EXPECT_TRUE(at::equal(ToTensor(outputs.value()[0][0]), at::ones({1, 2})));
}

TEST(TorchModelTest, DictOutputsAreNamedByTheirKeysAndOrderedByTheConfig) {
  const std::string source = "def forward(self, x: Tensor) -> Dict[str, Tensor]:\n  return {\"b\": x, \"a\": x + 1}\n";
  const auto by_key = Predict(*Make(source, Batched()), {Bind(at::zeros({1, 2}), 1)});
  EXPECT_EQ(by_key.value()[0][0].name, "b");
  config::ModelConfig config = Batched();
  config::TensorConfig a;
  a.name = "a";
  a.dtype = tensor::DType::kFp32;
  a.dims = {2};
  config.outputs = {a};
  const auto by_config = Predict(*Make(source, config), {Bind(at::zeros({1, 2}), 1)});
  ASSERT_EQ(by_config.value()[0].size(), 1u);
  EXPECT_TRUE(at::equal(ToTensor(by_config.value()[0][0]), at::ones({1, 2})));
}

TEST(TorchModelTest, OutputsWithAnIndexAreThoseResultsWhateverTheirOrder) {
  const auto declared = [](std::vector<std::string> names) {
    config::ModelConfig config = Batched();
    for (std::string& name : names) {
      config::TensorConfig& output = config.outputs.emplace_back();
      output.name = std::move(name);
      output.dtype = tensor::DType::kFp32;
      output.dims = {1};
    }
    return config;
  };
  for (const std::string source :
       {"def forward(self, x: Tensor) -> Tuple[Tensor, Tensor, Tensor]:\n  return x, x + 1, x + 2\n",
        "def forward(self, x: Tensor) -> List[Tensor]:\n  return [x, x + 1, x + 2]\n"}) {
    const auto values = [&](const config::ModelConfig& config) {
      std::vector<float> got;
      const auto outputs = Predict(*Make(source, config), {Bind(at::zeros({1, 1}), 1)});
      for (const model::NamedTensor& output : outputs.value()[0]) got.push_back(ToTensor(output).item<float>());
      return got;
    };
    EXPECT_EQ(values(declared({"OUTPUT__2", "OUTPUT__0"})), (std::vector<float>{2, 0}));
    EXPECT_EQ(values(declared({"y__1"})), (std::vector<float>{1}));
    EXPECT_EQ(values(declared({"first", "second"})), (std::vector<float>{0, 1}));
  }
}

TEST(TorchModelTest, AnOutputThatDisagreesIsInternalAndNamed) {
  config::ModelConfig config = Batched();
  config::TensorConfig y;
  y.name = "y";
  y.dtype = tensor::DType::kInt64;
  y.dims = {2};
  config.outputs = {y};
  const std::string source = "def forward(self, x: Tensor) -> Tensor:\n  return x\n";
  const auto dtype = Predict(*Make(source, config), {Bind(at::zeros({1, 2}), 1)});
  EXPECT_EQ(dtype.status().code(), absl::StatusCode::kInternal);
  EXPECT_THAT(base::MessageOf(dtype.status()), AllOf(HasSubstr("\"y\""), HasSubstr("FP32"), HasSubstr("INT64")));
  EXPECT_FALSE(model::HasRaised(dtype.status()));
  config.outputs[0].dtype = tensor::DType::kFp32;
  config.outputs[0].dims = {4};
  config.outputs[0].reshape = tensor::Shape{2, 2};
  EXPECT_THAT(base::MessageOf(Predict(*Make(source, config), {Bind(at::zeros({1, 2}), 1)}).status()),
              AllOf(HasSubstr("[1, 2]"), HasSubstr("[-1, 2, 2]")));
  EXPECT_THAT(base::MessageOf(Predict(*Make("def forward(self, x: Tensor) -> Tensor:\n  return x.sum()\n", Batched()),
                                      {Bind(at::zeros({1, 2}), 1)})
                                  .status()),
              HasSubstr("dimension 0 must be the rows"));
}

TEST(TorchModelTest, DeclaredSizesAreNoDemand) {
  config::ModelConfig config = Batched();
  config::TensorConfig y;
  y.name = "y";
  y.dtype = tensor::DType::kFp32;
  y.dims = {3};
  config.outputs = {y};
  const auto outputs =
      Predict(*Make("def forward(self, x: Tensor) -> Tensor:\n  return x\n", config), {Bind(at::zeros({1, 2}), 1)});
  ASSERT_TRUE(outputs.ok()) << outputs.status();
  EXPECT_EQ((*outputs)[0][0].tensor.shape, (tensor::Shape{1, 2}));
}

std::vector<std::string> NamesOf(const absl::StatusOr<std::vector<model::Outputs>>& outputs) {
  EXPECT_TRUE(outputs.ok()) << outputs.status();
  std::vector<std::string> names;
  if (!outputs.ok()) return names;
  for (const model::NamedTensor& output : outputs->at(0)) names.push_back(output.name);
  return names;
}

TEST(TorchModelTest, NoneIsLeftOutAndTheOthersKeepTheirNumbers) {
  const auto names = [](const std::string& type, const std::string& result, const config::ModelConfig& config = {}) {
    const std::string source = "def forward(self, x: Tensor) -> " + type +
                               ":\n  no: Optional[Tensor] = None\n  yes: Optional[Tensor] = x\n  return " + result +
                               "\n";
    return NamesOf(Predict(*Make(source, config), {Bind(at::zeros({1, 2}), 1)}));
  };
  EXPECT_THAT(names("Tuple[Tensor, Optional[Tensor], Tensor]", "x, no, x"), ElementsAre("OUTPUT__0", "OUTPUT__2"));
  EXPECT_THAT(names("Dict[str, Optional[Tensor]]", "{'a': no, 'b': yes}"), ElementsAre("b"));
  EXPECT_THAT(names("List[Optional[Tensor]]", "[no, yes]"), ElementsAre("OUTPUT__1"));
  EXPECT_THAT(names("Optional[Tensor]", "no"), IsEmpty());
  EXPECT_THAT(names("Optional[Tuple[Tensor, Tensor]]", "None"), IsEmpty());
  config::ModelConfig config;
  for (const std::string name : {"y", "aux", "z"}) {
    config::TensorConfig output;
    output.name = name;
    output.dtype = tensor::DType::kFp32;
    output.dims = {1, 2};
    config.outputs.push_back(output);
  }
  EXPECT_THAT(names("Tuple[Tensor, Optional[Tensor], Tensor]", "x, no, x", config), ElementsAre("y", "z"));
}

absl::StatusOr<std::vector<model::Outputs>> Ask(const std::string& source, const config::ModelConfig& config,
                                                const std::vector<std::map<std::string, tensor::HostTensor>>& asked) {
  torch::jit::Module module("m");
  module.define(source);
  module.eval();
  auto signature =
      MakeSignature(module.get_method("forward").function().getSchema(), config, ReachableGraph(module).get());
  if (!signature.ok()) return signature.status();
  std::vector<tensor::BoundInputs> requests;
  for (const auto& inputs : asked) {
    auto bound = tensor::BindInputs(signature->signature, inputs);
    if (!bound.ok()) return bound.status();
    requests.push_back(*std::move(bound));
  }
  return Predict(*MakeTorchModel(module, *std::move(signature), tensor::DeviceId::Cpu()), requests);
}

tensor::HostTensor Of(const at::Tensor& tensor) { return Bind(tensor, 1).values[0][0]; }

tensor::HostTensor Text(const std::vector<std::string>& elements, tensor::Shape shape) {
  auto bytes = std::make_shared<std::string>();
  for (const std::string& element : elements) {
    const auto length = static_cast<uint32_t>(element.size());
    bytes->append(reinterpret_cast<const char*>(&length), sizeof(length)).append(element);
  }
  return {tensor::DType::kBytes, std::move(shape), std::as_bytes(std::span(*bytes)), bytes};
}

float FirstOf(const absl::StatusOr<std::vector<model::Outputs>>& outputs, size_t request = 0) {
  EXPECT_TRUE(outputs.ok()) << outputs.status();
  return outputs.ok() ? ToTensor(outputs->at(request)[0]).flatten()[0].item<float>() : -1;
}

TEST(TorchModelTest, TuplesAndDictsAreMadeOfTheirParts) {
  const char* const source =
      "def forward(self, batch: Dict[str, Tensor], pair: Tuple[Tensor, Tuple[Tensor, float]], extra: "
      "Optional[Dict[str, Tensor]] = None) -> Tensor:\n"
      "  a, bn = pair\n  b, n = bn\n"
      "  y = batch['image'] - 10 * a + 100 * b * n\n"
      "  if 'mask' in batch:\n    y = y + batch['mask']\n"
      "  if extra is not None:\n    y = y + extra['z']\n"
      "  return y\n";
  std::map<std::string, tensor::HostTensor> inputs = {{"batch_image", Of(at::full({1, 1}, 1.F))},
                                                      {"pair_0", Of(at::full({1, 1}, 2.F))},
                                                      {"pair_1_0", Of(at::full({1, 1}, 3.F))},
                                                      {"pair_1_1", Of(at::full({}, 0.5F))}};
  EXPECT_EQ(FirstOf(Ask(source, {}, {inputs})), 1 - 20 + 150);
  inputs["batch_mask"] = Of(at::full({1, 1}, 1000.F));
  inputs["extra_z"] = Of(at::full({1, 1}, 5000.F));
  EXPECT_EQ(FirstOf(Ask(source, {}, {inputs})), 1 - 20 + 150 + 1000 + 5000);
  inputs.erase("pair_0");
  EXPECT_EQ(Ask(source, {}, {inputs}).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(TorchModelTest, PartsOfSeveralRequestsAreJoined) {
  const char* const source =
      "def forward(self, d: Dict[str, Tensor], p: Tuple[Tensor, Tensor]) -> Tensor:\n"
      "  return d['a'] + p[0] * p[1]\n";
  const auto inputs = [](float a, float b, float c, int64_t rows) {
    return std::map<std::string, tensor::HostTensor>{
        {"d_a", Of(at::full({rows, 1}, a))}, {"p_0", Of(at::full({rows, 1}, b))}, {"p_1", Of(at::full({rows, 1}, c))}};
  };
  const auto outputs = Ask(source, Batched(), {inputs(1, 2, 3, 1), inputs(4, 5, 6, 2)});
  EXPECT_EQ(FirstOf(outputs, 0), 7);
  EXPECT_EQ(FirstOf(outputs, 1), 34);
  EXPECT_EQ(outputs->at(1)[0].tensor.shape, (tensor::Shape{2, 1}));
}

TEST(TorchModelTest, AnOpenDictHasTheKeysOfTheRequest) {
  const char* const source =
      "def forward(self, d: Dict[str, Tensor]) -> Dict[str, Tensor]:\n"
      "  out: Dict[str, Tensor] = {}\n"
      "  for k, v in d.items():\n    out[k] = v * 2\n"
      "  return out\n";
  EXPECT_THAT(NamesOf(Ask(source, {}, {{{"d_x", Of(at::ones({1}))}, {"d_Y", Of(at::ones({1}))}}})),
              UnorderedElementsAre("x", "Y"));
}

TEST(TorchModelTest, NamedTuplesAreTakenByTheirFields) {
  const auto type =
      c10::TupleType::createNamed(c10::QualifiedName("__torch__.Pair"), std::vector<std::string>{"left", "right"},
                                  std::vector<c10::TypePtr>{c10::TensorType::get(), c10::TensorType::get()});
  const auto graph = std::make_shared<torch::jit::Graph>();
  torch::jit::Module module("m");
  graph->addInput("self")->setType(module.type());
  auto* const pair = graph->addInput("pair")->setType(type);
  const auto parts = torch::jit::createTupleUnpack(pair);
  const std::vector<torch::jit::Value*> sides(parts.begin(), parts.end());
  graph->registerOutput(graph->insertNode(graph->create(c10::aten::div, sides))->output());
  auto* const function = module._ivalue()->compilation_unit()->create_function(
      c10::QualifiedName(*module.type()->name(), "forward"), graph);
  module.type()->addMethod(function);
  auto signature = MakeSignature(function->getSchema(), {});
  ASSERT_TRUE(signature.ok()) << signature.status();
  const auto bound = tensor::BindInputs(
      signature->signature, {{"pair_left", Of(at::full({1}, 6.F))}, {"pair_right", Of(at::full({1}, 2.F))}});
  ASSERT_TRUE(bound.ok()) << bound.status();
  EXPECT_EQ(FirstOf(Predict(*MakeTorchModel(module, *std::move(signature), tensor::DeviceId::Cpu()), {*bound})), 3);
}

TEST(TorchModelTest, TextIsTakenAndTheRowsOfRequestsAreJoined) {
  const char* const source =
      "def forward(self, texts: List[str], mode: str = 'plain') -> Tensor:\n"
      "  lengths: List[int] = []\n"
      "  for t in texts:\n    lengths.append(len(t) * (10 if mode == 'tens' else 1))\n"
      "  return torch.tensor(lengths).float()\n";
  EXPECT_EQ(FirstOf(Ask(source, {}, {{{"texts", Text({"abc", ""}, {2})}}})), 3);
  EXPECT_EQ(FirstOf(Ask(source, {}, {{{"texts", Text({"abc"}, {1})}, {"mode", Text({"tens"}, {1})}}})), 30);
  const auto joined = Ask(source, Batched(), {{{"texts", Text({"a"}, {1})}}, {{"texts", Text({"bb", "ccc"}, {2, 1})}}});
  EXPECT_EQ(FirstOf(joined, 0), 1);
  EXPECT_EQ(FirstOf(joined, 1), 2);
  EXPECT_EQ(joined->at(1)[0].tensor.shape, (tensor::Shape{2}));
}

TEST(TorchModelTest, OptionalNumbersMayBeLeftOut) {
  const char* const source =
      "def forward(self, x: Tensor, n: Optional[int], f: Optional[float] = None) -> Tensor:\n"
      "  if n is not None:\n    x = x * n\n"
      "  if f is not None:\n    x = x + f\n"
      "  return x\n";
  EXPECT_EQ(FirstOf(Ask(source, {}, {{{"x", Of(at::ones({1}))}}})), 1);
  EXPECT_EQ(FirstOf(Ask(source, {},
                        {{{"x", Of(at::ones({1}))}, {"n", Of(at::full({}, 3, at::kLong))}, {"f", Of(at::ones({}))}}})),
            4);
}

// A client's bytes are not the model's, in a dict too.
TEST(TorchModelTest, WhatIsWrittenInADictIsACopy) {
  const at::Tensor x = at::ones({4});
  const char* const source = "def forward(self, d: Dict[str, Tensor]) -> Tensor:\n  d['x'].add_(1)\n  return d['x']\n";
  EXPECT_EQ(FirstOf(Ask(source, {}, {{{"d_x", Of(x)}}})), 2);
  EXPECT_TRUE(at::equal(x, at::ones({4})));
}

TEST(TorchModelTest, WhatTheModelRaisesIsInternalWithoutStackOrPath) {
  const auto model = Make("def forward(self, x: Tensor) -> Tensor:\n  return torch.matmul(x, x)\n", Batched());
  const auto outputs = Predict(*model, {Bind(at::zeros({2, 3}), 2)});
  EXPECT_EQ(outputs.status().code(), absl::StatusCode::kInternal);
  EXPECT_TRUE(model::HasRaised(outputs.status()));
  EXPECT_THAT(base::MessageOf(outputs.status()),
              AllOf(HasSubstr("mat1 and mat2"), HasSubstr("is not declared in config.pbtxt"),
                    Not(HasSubstr("Traceback")), Not(HasSubstr(".cpp"))));
}

TEST(TorchModelTest, ReshapeIsAppliedOnBothSides) {
  config::ModelConfig config = Batched();
  config::TensorConfig x;
  x.name = "x";
  x.dtype = tensor::DType::kFp32;
  x.dims = {4};
  x.reshape = tensor::Shape{2, 2};
  config::TensorConfig y = x;
  y.name = "y";
  config.inputs = {x};
  config.outputs = {y};
  const auto model = Make("def forward(self, x: Tensor) -> Tensor:\n  return x.transpose(1, 2)\n", config);
  const auto outputs = Predict(*model, {Bind(at::arange(4, at::kFloat).view({1, 4}), 1)});
  ASSERT_TRUE(outputs.ok()) << outputs.status();
  EXPECT_TRUE(at::equal(ToTensor((*outputs)[0][0]), at::tensor({0.F, 2.F, 1.F, 3.F}).view({1, 4})));
}

TEST(CleanMessageTest, KeepsOnlyWhatTheUserCanUse) {
  EXPECT_EQ(
      CleanMessage(
          "The following operation failed in the TorchScript interpreter.\nTraceback of TorchScript (most recent call "
          "last):\n  File \"/home/me/x.py\", line 2\n    x\n    ~ <--- HERE\nRuntimeError: bad size\n"),
      "bad size");
  EXPECT_EQ(CleanMessage("Traceback of TorchScript, serialized code:\n  File \"code/x.py\", line 3\n    if bad:\n "
                         "     ops.prim.RaiseException(m)\n"
                         "      ~~~~~~~ <--- HERE\n    else:\n      pass\nbuiltins.ValueError: 512 samples\n"),
            "ValueError: 512 samples");
  EXPECT_EQ(CleanMessage("Traceback of TorchScript\n x <--- HERE\n  indented alone"), "indented alone");
  // Of a class, whose lines are not indented.
  EXPECT_EQ(CleanMessage("Traceback of TorchScript\n x <--- HERE\nclass C:\n  y : int\nRuntimeError: it was\nwrong"),
            "it was\nwrong");
  EXPECT_EQ(CleanMessage("Tried to access x. Python compilation unit at: 0x7f5612345678 there"),
            "Tried to access x. Python compilation unit at: … there");
  EXPECT_EQ(
      CleanMessage("r INTERNAL ASSERT FAILED at \"/pytorch/a.cpp\":12, please report a bug to PyTorch. No such token"),
      "r No such token");
  EXPECT_EQ(CleanMessage("0x0x7f5612345678 and 0x7f5612345678"), "0x… and …");
  EXPECT_EQ(CleanMessage("expected 0x10"), "expected 0x10");
  EXPECT_EQ(CleanMessage("plain\nException raised from f at g.cpp:3"), "plain");
}

TEST(CleanMessageTest, IsUtf8AndOfSomeLength) {
  EXPECT_EQ(CleanMessage("caf\xe9"), "caf\\xe9");
  EXPECT_EQ(CleanMessage(std::string(1'000'000, 'x')), std::string(65'536, 'x') + "…");
}

// Each takes the rest of the text along where a pointer is cut out in place.
TEST(CleanMessageTest, MillionsOfPointersTakeLinearTime) {
  std::string text;
  for (int i = 0; i < 2'000'000; ++i) text += "0x7f5612345678 ";
  EXPECT_EQ(CleanMessage(text).size(), 65'536U + 3);
}

}  // namespace
}  // namespace torchferry::libtorch
