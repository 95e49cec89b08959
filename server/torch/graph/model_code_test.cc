#include "server/torch/graph/model_code.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/runtime/operator.h>
#include <torch/custom_class.h>

#include <set>

#include "server/base/status.h"
#include "server/plan/model_operators.h"

namespace torchferry::libtorch {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

torch::jit::Module Defining(const std::string& source) {
  torch::jit::Module module("m");
  module.define(source);
  return module;
}

// The table is for reviewed operators: one that is new in this LibTorch belongs into a group (plan/operator_groups.h).
TEST(ModelCodeTest, EveryOperatorOfThisLibTorchIsInAGroup) {
  std::set<std::string> unknown;
  for (const auto& op : torch::jit::getAllOperators()) {
    const std::string& name = op->schema().name();
    if (!plan::IsInAGroup(name) && !name.starts_with("sim_test::")) unknown.insert(name);
  }
  EXPECT_THAT(unknown, IsEmpty());
}

TEST(ModelCodeTest, FindsARefusedOperatorInANestedBlock) {
  const absl::Status status =
      CheckModelCode(Defining("def forward(self, x: Tensor, n: int) -> Tensor:\n"
                              "  for i in range(n):\n    if i > 3:\n      torch.save(x, \"never\")\n  return x\n"));
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(base::MessageOf(status), AllOf(HasSubstr("aten::save"), HasSubstr("forward"),
                                             HasSubstr("reads or writes files"), HasSubstr("--trust-model-code")));
}

TEST(ModelCodeTest, LooksIntoSubmodulesAndOtherMethods) {
  torch::jit::Module child("c");
  child.define("def helper(self, x: Tensor) -> Tensor:\n  return torch.from_file(\"f\", False, 1)\n");
  torch::jit::Module module("m");
  module.register_module("child", child);
  module.define("def forward(self, x: Tensor) -> Tensor:\n  return torch.relu(x)\n");
  EXPECT_THAT(base::MessageOf(CheckModelCode(module)), HasSubstr("aten::from_file"));
}

TEST(ModelCodeTest, LetsAnOrdinaryModuleThrough) {
  const absl::Status status =
      CheckModelCode(Defining("def forward(self, x: Tensor, y: Optional[Tensor]) -> Dict[str, Tensor]:\n"
                              "  if y is not None:\n    x = x + y\n  print(x.shape)\n"
                              "  parts: List[Tensor] = []\n  for p in torch.split(x, 1):\n    parts.append(p)\n"
                              "  return {\"a\": torch.as_strided(x, [1], [1]), \"b\": torch.cat(parts)}\n"));
  EXPECT_TRUE(status.ok()) << status;
}

TEST(ModelCodeTest, MemoryOutsideOfTensorsIsOutOfReach) {
  for (const char* op : {"inductor::_reinterpret_tensor", "aten::_reshape_alias", "mkldnn::data_ptr"}) {
    auto empty = std::make_shared<torch::jit::Graph>();
    empty->registerOutput(empty->insertNode(empty->create(c10::Symbol::fromQualString(op)))->output());
    const auto unit = std::make_shared<torch::jit::CompilationUnit>();
    torch::jit::Function* function = unit->create_function("f", empty);
    EXPECT_THAT(base::MessageOf(CheckFunction(*function)), HasSubstr(op));
  }
}

TEST(ModelCodeTest, FindsWhatAForkCalls) {
  // As LibTorch compiles it: the forked code is a graph in an attribute of the node.
  const auto unit = std::make_shared<torch::jit::CompilationUnit>();
  const auto inner = std::make_shared<torch::jit::Graph>();
  inner->insertNode(inner->create(c10::Symbol::fromQualString("aten::save"), 0));
  const auto outer = std::make_shared<torch::jit::Graph>();
  outer->insertNode(outer->create(c10::prim::fork, 1)->g_(c10::attr::Subgraph, inner));
  EXPECT_THAT(base::MessageOf(CheckFunction(*unit->create_function("f", outer))), HasSubstr("aten::save"));
}

TEST(ModelCodeTest, FindsAnObjectBehindAnInterface) {
  torch::jit::Module child("Hidden");
  child.define("def step(self, x: Tensor) -> Tensor:\n  return torch.from_file(\"f\", False, 1)\n");
  const auto interface = c10::InterfaceType::create("__torch__.Step", /*is_module=*/true);
  interface->addMethod(
      c10::FunctionSchema("step", "", {c10::Argument("self", interface), c10::Argument("x")}, {c10::Argument("")}));
  torch::jit::Module module("m");
  module.register_attribute("a", interface, child._ivalue());
  module.define("def forward(self, x: Tensor) -> Tensor:\n  return self.a.step(x)\n");
  EXPECT_THAT(base::MessageOf(CheckModelCode(module)), HasSubstr("aten::from_file"));
}

TEST(ModelCodeTest, FindsObjectsInContainers) {
  torch::jit::Module child("Hidden");
  child.define("def step(self, x: Tensor) -> Tensor:\n  return torch.from_file(\"f\", False, 1)\n");
  for (const c10::IValue& held :
       {c10::IValue(c10::ivalue::Tuple::create({c10::IValue(1), c10::IValue(child._ivalue())})), c10::IValue([&] {
          c10::impl::GenericList list(c10::AnyType::get());
          list.push_back(child._ivalue());
          return list;
        }())}) {
    torch::jit::Module module("m");
    module.register_attribute("a", c10::AnyType::get(), held);
    module.define("def forward(self, x: Tensor) -> Tensor:\n  return torch.relu(x)\n");
    EXPECT_THAT(base::MessageOf(CheckModelCode(module)), HasSubstr("aten::from_file"));
  }
}

TEST(ModelCodeTest, AnObjectIsNotTakenForAnother) {
  const auto unit = std::make_shared<torch::jit::CompilationUnit>();
  unit->define(c10::QualifiedName("__torch__"),
               "def plain(x: Optional[Tensor]) -> Tensor:\n"
               "  if x is None:\n    return torch.zeros([1])\n  return x\n",
               torch::jit::nativeResolver(), nullptr);
  EXPECT_TRUE(CheckFunction(unit->get_function(c10::QualifiedName("__torch__.plain"))).ok());
  const auto graph = std::make_shared<torch::jit::Graph>();
  torch::jit::Value* any = graph->addInput()->setType(c10::AnyType::get());
  const auto pair = c10::TupleType::create({c10::TensorType::get(), c10::TensorType::get()});
  graph->insertNode(graph->create(c10::prim::unchecked_cast, {any}))->output()->setType(pair);
  EXPECT_THAT(base::MessageOf(CheckFunction(*unit->create_function("f", graph))), HasSubstr("unchecked_cast"));
}

TEST(ModelCodeTest, AListOfOneTypeIsNotTakenForAListOfAny) {
  for (const c10::TypePtr& to :
       std::initializer_list<c10::TypePtr>{c10::ListType::create(c10::AnyType::get()),
                                           c10::DictType::create(c10::StringType::get(), c10::AnyType::get())}) {
    const auto unit = std::make_shared<torch::jit::CompilationUnit>();
    const auto graph = std::make_shared<torch::jit::Graph>();
    torch::jit::Value* any = graph->addInput()->setType(c10::AnyType::get());
    graph->insertNode(graph->create(c10::prim::unchecked_cast, {any}))->output()->setType(to);
    EXPECT_THAT(base::MessageOf(CheckFunction(*unit->create_function("f", graph))), HasSubstr("unchecked_cast"));
  }
}

TEST(ModelCodeTest, NoAddressIsTold) {
  const auto check = [](const std::string& source) {
    const auto unit = std::make_shared<torch::jit::CompilationUnit>();
    unit->define(c10::QualifiedName("__torch__"), source, torch::jit::nativeResolver(), nullptr);
    return base::MessageOf(CheckFunction(unit->get_function(c10::QualifiedName("__torch__.f"))));
  };
  EXPECT_THAT(check("def f(x: Tensor) -> int:\n  return hash(x)\n"), HasSubstr("tells an address"));
  EXPECT_THAT(check("def f(x: Any) -> str:\n  return \"{}\".format(x)\n"), HasSubstr("tells an address"));
  EXPECT_EQ(check("def f(x: str, y: int) -> int:\n  return hash(x) + hash(y)\n"), "");
  EXPECT_EQ(check("def f(x: Tensor, y: int) -> str:\n  return \"{} {}\".format(x, y)\n"), "");
}

TEST(ModelCodeTest, FunctionsThatCallOneAnotherTooDeepAreRefused) {
  const auto module = [](int functions) {
    std::string source = "def f0(self, x: Tensor) -> Tensor:\n  return x\n";
    for (int i = 1; i < functions; ++i) {
      source += fmt::format("def f{}(self, x: Tensor) -> Tensor:\n  return self.f{}(x)\n", i, i - 1);
    }
    return Defining(source);
  };
  EXPECT_TRUE(CheckCallDepth(module(300)).ok());
  EXPECT_THAT(base::MessageOf(CheckCallDepth(module(500))), HasSubstr("call one another 500 deep"));
}

}  // namespace
}  // namespace torchferry::libtorch
