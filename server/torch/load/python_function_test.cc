// What a call in a forward.py means; function_parity_test.cc compares the numbers.
#include "server/torch/load/python_function.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/base/status.h"
#include "server/torch/graph/model_code.h"
#include "server/torch/graph/stateful.h"
#include "server/torch/load/python_prelude.h"
#include "server/torch/load/python_signatures.h"
#include "server/torch/load/state_dict.h"
#include "server/torch/load/test_forward.h"
#include "server/torch/run/random_turn.h"

namespace torchferry::libtorch {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

torch::jit::Module MakeModule() {
  return ModuleFromKeys({{"emb.weight", at::arange(12, at::kFloat).reshape({4, 3})}}).value();
}

// Of `return EXPRESSION`.
struct Compiled {
  torch::jit::Module module = MakeModule();
  ForwardNotes notes;
  absl::Status status;

  explicit Compiled(const std::string& expression)
      : status(DefineText(module, "def forward(self, x: Tensor):\n    return " + expression + "\n", &notes)) {}
  c10::IValue Run(const at::Tensor& x) {
    EXPECT_TRUE(status.ok()) << status;
    return module.forward({x});
  }
  std::string error() const { return base::MessageOf(status); }
};

// ─── meaning ────────────────────────────────────────────────────────────────────────────────────────────────────────
TEST(PythonFunctionTest, TakesPythonsOrderNamesAndDefaults) {
  const at::Tensor image = at::arange(32, at::kFloat).reshape({1, 2, 4, 4});
  const at::Tensor columns = at::im2col(image, {3, 3}, {1, 1}, {1, 1}, {1, 1});
  EXPECT_TRUE(at::equal(Compiled("F.unfold(x, 3, 1, 1)").Run(image).toTensor(), columns));
  EXPECT_TRUE(at::equal(Compiled("F.unfold(x, padding=1, kernel_size=(3, 3))").Run(image).toTensor(), columns));
  EXPECT_TRUE(Compiled("F.adaptive_max_pool2d(x, [2, 2])").Run(image).isTensor());
  EXPECT_TRUE(Compiled("F.adaptive_max_pool2d(x, 2, return_indices=True)").Run(image).isTuple());
  const at::Tensor row = Compiled("F.embedding(x, self.emb.weight)").Run(at::tensor({2})).toTensor();
  EXPECT_TRUE(at::equal(row[0], at::tensor({6.0F, 7.0F, 8.0F})));
}

TEST(PythonFunctionTest, MethodsOfTensorsArePythonsAndThoseOfOtherValuesTheirOwn) {
  const at::Tensor x = at::tensor({1.0F, 1.0F, 2.0F});
  EXPECT_TRUE(Compiled("x.unique()").Run(x).isTensor());
  EXPECT_EQ(Compiled("x.split([1, 2])").Run(x).toTensorVector().size(), 2u);
  EXPECT_EQ(Compiled("len(\"a b c\".split(\" \"))").Run(x).toInt(), 3);
  EXPECT_EQ(Compiled("[3, 4, 5].index(4)").Run(x).toInt(), 1);
  EXPECT_EQ(Compiled("x.sum(axis=0, keepdims=True)").Run(x).toTensor().dim(), 1);
}

TEST(PythonFunctionTest, TorchOpsIsTheOperatorItself) {
  const at::Tensor image = at::zeros({1, 1, 4, 4});
  EXPECT_TRUE(Compiled("torch.ops.aten.adaptive_max_pool2d(x, [2, 2])").Run(image).isTuple());
  const Compiled unknown("torch.ops.aten.no_such_thing(x)");
  EXPECT_THAT(unknown.error(), HasSubstr("torch.ops.aten.no_such_thing is not an ATen operator"));
}

TEST(PythonFunctionTest, NamesThatPythonDoesNotHaveStayOperators) {
  EXPECT_TRUE(Compiled("torch.linear(x, x)").Run(at::ones({1, 1})).isTensor());
}

TEST(PythonFunctionTest, AMethodOfTheModuleKeepsItsNameAndIsNoTensors) {
  torch::jit::Module module = MakeModule();
  const absl::Status status = DefineText(module,
                                         "def norm(self, x: Tensor) -> Tensor:\n    return x * 0.0\n\n"
                                         "def forward(self, x: Tensor) -> Tensor:\n    return self.norm(x)\n");
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(module.forward({at::ones({2})}).toTensor().sum().item<float>(), 0.0F);
}

// ─── refusals ───────────────────────────────────────────────────────────────────────────────────────────────────────
TEST(PythonFunctionTest, WrongCallsSayPythonsSignature) {
  const std::string signature = "F.unfold(input, kernel_size, dilation=1, padding=0, stride=1)";
  EXPECT_THAT(
      Compiled("F.unfold(x)").error(),
      AllOf(StartsWith("m/forward.py:2:12: F.unfold needs an argument for \"kernel_size\""), HasSubstr(signature)));
  EXPECT_THAT(Compiled("F.unfold(x, 3, size=1)").error(),
              AllOf(HasSubstr("F.unfold has no parameter \"size\""), HasSubstr(signature)));
  EXPECT_THAT(Compiled("F.unfold(x, 3, 1, 1, 1, 1)").error(),
              HasSubstr("takes at most 5 positional arguments and got 6"));
  EXPECT_THAT(Compiled("F.unfold(x, 3, kernel_size=3)").error(), HasSubstr("got \"kernel_size\" twice"));
  EXPECT_THAT(Compiled("F.unfold(x, \"a\")").error(),
              AllOf(HasSubstr("F.unfold cannot be called with (Tensor, str)"), HasSubstr(signature)));
  EXPECT_THAT(
      Compiled("torch.roll(x, \"a\")").error(),
      AllOf(HasSubstr("torch.roll cannot be called with (Tensor, str)"), HasSubstr("torch.roll(input, shifts")));
}

TEST(PythonFunctionTest, WhatItCannotDoIsRefusedWithWhatToWrite) {
  EXPECT_THAT(Compiled("torch.pca_lowrank(x)").error(),
              AllOf(HasSubstr("torch.pca_lowrank(A, q=None"), HasSubstr("write it out with operators")));
  EXPECT_THAT(Compiled("F.max_pool2d(x, 2, return_indices=bool(x.sum() > 0))").error(),
              HasSubstr("write True or False for \"return_indices\""));
  EXPECT_THAT(Compiled("F.embedding(x, self.emb.weight, max_norm=1.0)").error(),
              AllOf(HasSubstr("\"max_norm\" is not supported"), HasSubstr("torch.renorm")));
  EXPECT_THAT(Compiled("F.fractional_max_pool2d(x, 2, output_size=2)").error(),
              HasSubstr("is for no model: its operator"));
}

// ─── what other parts of the server see ─────────────────────────────────────────────────────────────────────────────
TEST(PythonFunctionTest, WhatTheFunctionsRunIsHeldAgainstTheListOfOperators) {
  Compiled compiled("F.unfold(x, 3)");
  EXPECT_TRUE(CheckModelCode(compiled.module).ok());
  // The walk reaches the functions: an operator that is in none of the model's own code is found.
  Compiled random("F.dropout(x)");
  EXPECT_EQ(RandomUseOf(random.module), RandomUse::kDraws);
  EXPECT_EQ(RandomUseOf(Compiled("F.dropout(x, 0.5, training=False)").module), RandomUse::kNone);
}

TEST(PythonFunctionTest, EveryFunctionOfThePreludeIsAllowedAndPythonHasIt) {
  size_t count = 0;
  for (const PythonSignature* signature : PythonFunctions()) {
    const std::string name = PreludeName(signature->name);
    if (name.empty()) continue;
    ++count;
    torch::jit::Module module("m");
    const auto prelude = std::make_shared<PythonPrelude>(module._ivalue()->compilation_unit().get());
    // The only one that works for trusted code alone.
    if (name == "F_ctc_loss") continue;
    for (torch::jit::Function* function : prelude->Compile(name)) {
      EXPECT_TRUE(CheckFunction(*function).ok()) << name << ": " << CheckFunction(*function);
    }
    for (const std::string& flag : PreludeFlags(name)) {
      EXPECT_THAT(signature->parameters, Contains(::testing::Field(&PythonParameter::name, flag))) << name;
    }
  }
  EXPECT_GT(count, 100u);
}

TEST(PythonFunctionTest, AChangedWeightIsState) {
  torch::jit::Module module = MakeModule();
  const absl::Status status = DefineText(
      module, "def forward(self, x: Tensor) -> Tensor:\n    return F.relu(self.emb.weight, inplace=True) + x\n");
  ASSERT_TRUE(status.ok()) << status;
  module.eval();
  const auto state = FindState(module, "m", std::nullopt);
  ASSERT_TRUE(state.ok()) << state.status();
  EXPECT_TRUE(state->has_value());
}

// ─── notes ──────────────────────────────────────────────────────────────────────────────────────────────────────────
TEST(PythonFunctionTest, NotesCallsThatMeantTheOperatorBefore) {
  EXPECT_THAT(Compiled("F.unfold(x, 2, 3, 1)").notes,
              ElementsAre(AllOf(HasSubstr("F.unfold is Python's function"), HasSubstr("torch.ops.aten.unfold"))));
  EXPECT_THAT(Compiled("torch.stft(x, 64, return_complex=True)").notes, ElementsAre(HasSubstr("torch.stft")));
  EXPECT_THAT(Compiled("F.adaptive_max_pool2d(x, [2, 2])").notes, ElementsAre(HasSubstr("adaptive_max_pool2d")));
  EXPECT_THAT(Compiled("F.unfold(x, 2, 3, 1) + F.unfold(x, 2, 3, 1)").notes.size(), 1u);
}

TEST(PythonFunctionTest, NotesThatDropoutInTrainingIsRandom) {
  EXPECT_THAT(Compiled("F.dropout(x)").notes, ElementsAre(HasSubstr("F.dropout draws random numbers at each call")));
  EXPECT_THAT(Compiled("F.dropout(x, 0.5, self.training)").notes, IsEmpty());
}

TEST(PythonFunctionTest, NotesNothingWhereTheMeaningIsTheSame) {
  for (const char* expression : {"F.relu(x)", "F.layer_norm(x, [4])", "F.max_pool2d(x, 2)", "F.dropout(x, 0.5, False)",
                                 "F.gelu(x)", "F.unfold(x, kernel_size=2)", "torch.split(x, 2, 0)", "torch.cdist(x, x)",
                                 "F.embedding(x, self.emb.weight)", "x.split(2)"}) {
    const Compiled compiled(expression);
    EXPECT_TRUE(compiled.status.ok()) << compiled.status;
    EXPECT_THAT(compiled.notes, IsEmpty()) << expression;
  }
}

// ─── the table ──────────────────────────────────────────────────────────────────────────────────────────────────────
TEST(PythonSignaturesTest, ReadsParametersAndDefaults) {
  const PythonSignature* meshgrid = FindPythonSignature("torch.meshgrid");
  ASSERT_NE(meshgrid, nullptr);
  EXPECT_TRUE(meshgrid->is_written_in_python);
  EXPECT_TRUE(meshgrid->parameters.at(0).is_variadic);
  EXPECT_TRUE(meshgrid->parameters.at(1).is_keyword_only);
  const PythonSignature* dropout = FindPythonSignature("torch.nn.functional.dropout");
  ASSERT_NE(dropout, nullptr);
  EXPECT_EQ(dropout->spelled, "F.dropout(input, p=0.5, training=True, inplace=False)");
  EXPECT_EQ(dropout->parameters.at(1).default_value->toDouble(), 0.5);
  EXPECT_TRUE(dropout->parameters.at(2).default_value->toBool());
  EXPECT_FALSE(FindPythonSignature("torch.relu")->is_written_in_python);
  EXPECT_EQ(FindPythonSignature("torch.no_such_thing"), nullptr);
  EXPECT_THAT(PythonFunctions(), Not(IsEmpty()));
}

}  // namespace
}  // namespace torchferry::libtorch
