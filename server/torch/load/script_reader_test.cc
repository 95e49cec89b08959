#include "server/torch/load/script_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/custom_class.h>

#include <filesystem>
#include <sstream>

#include "server/base/status.h"
#include "server/checkpoint/test_zip.h"
#include "server/plan/script_classes.h"
#include "server/torch/graph/run_inline.h"

namespace torchferry::libtorch {
namespace {

using checkpoint::testing::ZipBuilder;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// Pickles by hand, as LibTorch's own pickler writes them.
std::string Text(std::string_view text) { return "X" + checkpoint::testing::Bytes(text.size(), 4) + std::string(text); }
std::string Int(int64_t value) { return "\x8a\x08" + checkpoint::testing::Bytes(static_cast<uint64_t>(value), 8); }
std::string Pickle(const std::string& body) { return "\x80\x02" + body + "."; }
// An object of the class `name` of __torch__ with that state.
std::string Object(const std::string& name, const std::string& state) {
  return "c__torch__\n" + name + "\n)\x81" + state + "b";
}
std::string Dict(std::initializer_list<std::pair<std::string, std::string>> entries) {
  std::string out = "}(";
  for (const auto& [key, value] : entries) out += Text(key) + value;
  return out + "u";
}
std::string Tuple(std::initializer_list<std::string> items) {
  std::string out = "(";
  for (const std::string& item : items) out += item;
  return out + "t";
}
// A float tensor of `size` elements over the storage "0" of `numel`.
std::string Tensor(int64_t size, int64_t numel = 4) {
  const std::string storage =
      Tuple({Text("storage"), "ctorch\nFloatStorage\n", Text("0"), Text("cpu"), Int(numel)}) + "Q";
  return "ctorch._utils\n_rebuild_tensor_v2\n" +
         Tuple({storage, Int(0), Tuple({Int(size)}), Tuple({Int(1)}), "\x89", "ccollections\nOrderedDict\n)R"}) + "R";
}

constexpr char kForward[] = "  def forward(self: __torch__.M, x: Tensor) -> Tensor:\n    return torch.neg(x)\n";

std::string Class(const std::string& name, const std::string& body) { return "class " + name + "(Module):\n" + body; }

ZipBuilder Archive(const std::string& code, const std::string& root) {
  ZipBuilder builder;
  builder.Add("m/data.pkl", Pickle(root))
      .Add("m/data/0", std::string(16, '\0'))
      .Add("m/code/__torch__.py", code)
      .Add("m/constants.pkl", Pickle(")"))
      .Add("m/version", "3\n");
  return builder;
}

absl::StatusOr<torch::jit::Module> Load(const std::string& bytes, bool trust_model_code = false) {
  const auto info = checkpoint::DescribeTorchScript(checkpoint::File::FromBytes(bytes, "m/1/model.pt"));
  if (!info.ok()) return info.status();
  return ReadScript(*info, trust_model_code);
}

std::string Refusal(const std::string& code, const std::string& root) {
  const absl::StatusOr<torch::jit::Module> module = Load(Archive(code, root).Build());
  EXPECT_FALSE(module.ok());
  return base::MessageOf(module.status());
}

TEST(ScriptReaderTest, GivesWhatLibTorchsOwnLoaderGives) {
  torch::jit::Module child("Child");
  child.register_parameter("w", torch::randn({3, 2}), false);
  child.define("def forward(self, x: Tensor):\n  return torch.matmul(x, self.w) + 0.5\n");
  torch::jit::Module module("Net");
  module.register_buffer("scale", torch::full({1}, 3));
  module.register_attribute("names", c10::ListType::ofStrings(), c10::List<std::string>({"a", "b"}));
  module.register_module("child", child);
  module.define("def forward(self, x: Tensor):\n  return self.child.forward(x) * self.scale * len(self.names)\n");
  std::stringstream stream;
  module.save(stream);
  absl::StatusOr<torch::jit::Module> read = Load(stream.str());
  ASSERT_TRUE(read.ok()) << read.status();
  torch::jit::Module expected = torch::jit::load(stream);
  const at::Tensor input = torch::randn({4, 3});
  EXPECT_TRUE(read->forward({input}).toTensor().equal(expected.forward({input}).toTensor()));
  const auto graph_of = [](const torch::jit::Module& of) {
    return of.get_method("forward").graph()->toString(/*print_source_locations=*/false);
  };
  EXPECT_EQ(graph_of(*read), graph_of(expected));
}

TEST(ScriptReaderTest, ClassesThatLibTorchBringsAreItsOwn) {
  for (const std::string name : {"quantized.LinearPackedParamsBase", "quantized.Conv2dPackedParamsBase",
                                 "quantized.EmbeddingPackedParamsBase", "rnn.CellParamsBase"}) {
    EXPECT_NE(torch::getCustomClass("__torch__.torch.classes." + name), nullptr) << name;
    EXPECT_TRUE(plan::IsLibTorchClass(name)) << name;
  }
  EXPECT_EQ(torch::getCustomClass("__torch__.torch.classes.tensorrt.Engine"), nullptr);
  EXPECT_FALSE(plan::IsLibTorchClass("tensorrt.Engine"));
}

TEST(ScriptReaderTest, AQuantisedModuleIsMadeOfItsPackedWeights) {
  torch::jit::Module module("Net");
  const at::Tensor weight = at::quantize_per_tensor(torch::ones({2, 2}), 0.5, 0, at::kQInt8);
  module.register_buffer("w", weight);
  module.define(
      "def forward(self, x: Tensor):\n"
      "  return torch.dequantize(self.w) * x\n");
  std::stringstream stream;
  module.save(stream);
  absl::StatusOr<torch::jit::Module> read = Load(stream.str());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_TRUE(read->forward({torch::ones({2, 2})}).toTensor().equal(torch::ones({2, 2})));
}

TEST(ScriptReaderTest, EntriesThatWereNotCheckedAreNotThere) {
  const std::string code = Class("M", kForward);
  ZipBuilder builder = Archive(code, Object("M", Dict({})));
  // LibTorch's loader would take the model to be of PyTorch before 1.4, and run what stands there.
  builder.Add("m/model.json", "{}").Add("m/code/other.py", "class Other:\n").Add("m/extra/notes", "x");
  const absl::StatusOr<torch::jit::Module> module = Load(builder.Build());
  ASSERT_TRUE(module.ok()) << module.status();
  ZipBuilder elsewhere;
  elsewhere.Add("m/data.pkl", Pickle(Object("M", Dict({}))))
      .Add("m/code/__torch__.PY", code)
      .Add("m/code/x.py", "")
      .Add("m/constants.pkl", Pickle(")"))
      .Add("m/version", "3\n");
  EXPECT_FALSE(Load(elsewhere.Build()).ok());  // LibTorch would find it
}

TEST(ScriptReaderTest, AStorageIsReadOnceHoweverOftenItIsNamed) {
  const std::string code = Class("M", std::string("  a : Tensor\n  b : Tensor\n") + kForward);
  const absl::StatusOr<torch::jit::Module> module =
      Load(Archive(code, Object("M", Dict({{"a", Tensor(4)}, {"b", Tensor(2)}}))).Build());
  ASSERT_TRUE(module.ok()) << module.status();
  EXPECT_EQ(module->attr("a").toTensor().data_ptr(), module->attr("b").toTensor().data_ptr());
}

// A file whose end is gone once its index was read.
class ShrinkingFile final : public checkpoint::File {
 public:
  explicit ShrinkingFile(std::string bytes) : File("m/1/model.pt", bytes.size()), bytes_(std::move(bytes)) {}
  void Shrink() { has_shrunk_ = true; }

 protected:
  absl::Status DoRead(uint64_t offset, std::span<std::byte> out) const override {
    if (has_shrunk_) return absl::DataLossError("m/1/model.pt: became shorter while it was read");
    std::memcpy(out.data(), bytes_.data() + offset, out.size());
    return absl::OkStatus();
  }

 private:
  const std::string bytes_;
  bool has_shrunk_ = false;
};

TEST(ScriptReaderTest, AFileThatIsCutWhileItIsReadIsAnError) {
  const auto file = std::make_shared<ShrinkingFile>(
      Archive(Class("M", std::string("  a : Tensor\n") + kForward), Object("M", Dict({{"a", Tensor(4)}}))).Build());
  const auto info = checkpoint::DescribeTorchScript(file);
  ASSERT_TRUE(info.ok()) << info.status();
  file->Shrink();
  EXPECT_THAT(base::MessageOf(ReadScript(*info, false).status()), HasSubstr("became shorter"));
}

TEST(ScriptReaderTest, AnAttributeIsOfTheTypeThatItsCodeSays) {
  const std::string two = Class("A", "  x : Tensor\n  y : Tensor\n") + Class("B", "  x : Tensor\n");
  // Compiled code would read the second attribute of an object that has one.
  EXPECT_THAT(Refusal(two + Class("M", std::string("  a : __torch__.A\n") + kForward),
                      Object("M", Dict({{"a", Object("B", Dict({{"x", Tensor(4)}}))}}))),
              HasSubstr("a of a __torch__.M is a Object; its code says __torch__.A"));
  EXPECT_THAT(Refusal(two + Class("M", std::string("  a : List[__torch__.A]\n") + kForward),
                      Object("M", Dict({{"a", "](" + Object("B", Dict({{"x", Tensor(4)}})) + "e"}}))),
              HasSubstr("a of a __torch__.M"));
  EXPECT_THAT(Refusal(Class("M", std::string("  a : Tuple[Tensor, Tensor, Tensor]\n") + kForward),
                      Object("M", Dict({{"a", Tuple({Tensor(4)})}}))),
              HasSubstr("its code says"));
  EXPECT_THAT(Refusal(Class("M", std::string("  a : Tensor\n") + kForward), Object("M", Dict({{"a", Int(3)}}))),
              HasSubstr("its code says Tensor"));
  EXPECT_THAT(Refusal(Class("M", std::string("  a : Tensor\n") + kForward), Object("M", Dict({}))),
              HasSubstr("no value of its attribute a"));
}

// A list that code adds a B to, and another reads an A from.
TEST(ScriptReaderTest, AListIsOfOneTypeWhoeverHoldsIt) {
  const std::string empty = "]q\x01";
  const std::string again = "h\x01";
  const std::string objects = Class("A", "  x : Tensor\n  y : Tensor\n") + Class("B", "  x : Tensor\n");
  const auto code = [&](const std::string& one, const std::string& other) {
    return objects + Class("M", "  a : " + one + "\n  b : " + other + "\n" + kForward);
  };
  const auto held_twice = [&](const std::string& container) {
    return Object("M", Dict({{"a", container}, {"b", again}}));
  };
  for (const auto& [one, other] : std::initializer_list<std::pair<std::string, std::string>>{
           {"List[__torch__.A]", "List[__torch__.B]"},
           {"List[__torch__.A]", "List[Any]"},
           {"List[Any]", "List[__torch__.A]"},
           {"Any", "List[__torch__.A]"},
           {"Optional[List[__torch__.A]]", "Optional[List[__torch__.B]]"},
           {"List[Tensor]", "List[Tuple[Tensor, Tensor]]"}}) {
    EXPECT_THAT(Refusal(code(one, other), held_twice(empty)), HasSubstr("b of a __torch__.M is a")) << one << other;
  }
  EXPECT_THAT(Refusal(code("Dict[str, __torch__.A]", "Dict[str, __torch__.B]"), held_twice("}q\x01")),
              HasSubstr("b of a __torch__.M is a"));
  // A list in a list.
  EXPECT_THAT(Refusal(code("List[List[__torch__.A]]", "List[__torch__.B]"),
                      Object("M", Dict({{"a", "](" + empty + "e"}, {"b", again}}))),
              HasSubstr("b of a __torch__.M is a"));
  // One that the pickle gives another type each time.
  const auto tagged = [](const std::string& list, const std::string& type) {
    return "ctorch.jit._pickle\nrestore_type_tag\n" + Tuple({list, Text(type)}) + "R";
  };
  EXPECT_THAT(
      Refusal(
          code("List[__torch__.A]", "List[__torch__.B]"),
          Object("M", Dict({{"a", tagged(empty, "List[__torch__.A]")}, {"b", tagged(again, "List[__torch__.B]")}}))),
      HasSubstr("of a __torch__.M is a"));
  EXPECT_THAT(Refusal(objects + Class("N", "  a : List[__torch__.A]\n") +
                          Class("M", std::string("  n : __torch__.N\n  b : List[__torch__.B]\n") + kForward),
                      Object("M", Dict({{"n", Object("N", Dict({{"a", tagged(empty, "List[__torch__.A]")}}))},
                                        {"b", tagged(again, "List[__torch__.B]")}}))),
              HasSubstr("b of a __torch__.M is a"));
  EXPECT_TRUE(Load(Archive(code("List[__torch__.A]", "List[__torch__.A]"), held_twice(empty)).Build()).ok());
  EXPECT_TRUE(Load(Archive(code("Any", "List[Any]"), held_twice(empty)).Build()).ok());
}

// Nobody waits for the fork, which LibTorch would give to another thread.
TEST(ScriptReaderTest, WhatIsForkedHasEndedWhenForwardEnds) {
  const std::string code = Class("M",
                                 "  a : Tensor\n"
                                 "  def forward(self: __torch__.M, x: Tensor) -> Tensor:\n"
                                 "    y = torch.neg(x)\n"
                                 "    def __forked_function0() -> Tensor:\n"
                                 "      z = torch.mm(torch.ones([200, 200]), torch.ones([200, 200]))\n"
                                 "      return torch.add_(y, torch.select(torch.select(z, 0, 0), 0, 0))\n"
                                 "    f = fork(__forked_function0)\n"
                                 "    if bool(torch.gt(torch.sum(x), 1000)):\n"
                                 "      z = torch.wait(f)\n"
                                 "    else:\n"
                                 "      z = torch.add(y, 0)\n"
                                 "    return z\n");
  const absl::StatusOr<torch::jit::Module> module = Load(Archive(code, Object("M", Dict({{"a", Tensor(4)}}))).Build());
  ASSERT_TRUE(module.ok()) << module.status();
  for (int i = 0; i < 10; ++i) {
    const c10::IValue answer =
        RunInline(module->get_method("forward").function(), {module->_ivalue(), torch::zeros({2})});
    EXPECT_TRUE(torch::equal(answer.toTensor(), torch::full({2}, 200.0)));
  }
}

TEST(ScriptReaderTest, WhereAnyTypeMayStandAValueIsOfTheTypeThatItSays) {
  const std::string objects = Class("A", "  x : Tensor\n  y : Tensor\n") + Class("B", "  x : Tensor\n");
  const auto tagged = [](const std::string& list, const std::string& type) {
    return "ctorch.jit._pickle\nrestore_type_tag\n" + Tuple({list, Text(type)}) + "R";
  };
  const std::string of_b = "](" + Object("B", Dict({{"x", Tensor(4)}})) + "e";
  const std::string code = objects + Class("M", std::string("  a : Any\n") + kForward);
  EXPECT_THAT(Refusal(code, Object("M", Dict({{"a", tagged(of_b, "List[__torch__.A]")}}))),
              HasSubstr("a of a __torch__.M is a"));
  EXPECT_THAT(Refusal(code, Object("M", Dict({{"a", "](" + tagged(of_b, "List[__torch__.A]") + "e"}}))),
              HasSubstr("a of a __torch__.M is a"));
  EXPECT_TRUE(Load(Archive(code, Object("M", Dict({{"a", tagged(of_b, "List[__torch__.B]")}}))).Build()).ok());
}

TEST(ScriptReaderTest, AConstantIsOfTheTypeThatItSays) {
  const std::string code = Class("A", "  x : Tensor\n  y : Tensor\n") + Class("B", "  x : Tensor\n") +
                           Class("M", std::string("  a : Tensor\n") + kForward);
  const auto constants = [&](const std::string& type) {
    ZipBuilder builder;
    builder.Add("m/data.pkl", Pickle(Object("M", Dict({{"a", Tensor(4)}}))))
        .Add("m/data/0", std::string(16, '\0'))
        .Add("m/code/__torch__.py", code)
        .Add("m/constants.pkl",
             Pickle(Tuple({"ctorch.jit._pickle\nrestore_type_tag\n" +
                           Tuple({"](" + Tuple({Int(1), Int(2)}) + "e", Text("List[" + type + "]")}) + "R"})))
        .Add("m/version", "3\n");
    return Load(builder.Build()).status();
  };
  EXPECT_TRUE(constants("Tuple[int, int]").ok()) << constants("Tuple[int, int]");
  EXPECT_THAT(base::MessageOf(constants("Tuple[int, int, int]")), HasSubstr("constants.pkl is a"));
}

std::string WithSetState(const std::string& statement) {
  return Class("M",
               "  t : Tensor\n"
               "  def __getstate__(self: __torch__.M) -> Tensor:\n    return self.t\n"
               "  def __setstate__(self: __torch__.M, state: Tensor) -> NoneType:\n    " +
                   statement + "\n    self.t = state\n    return None\n" + kForward);
}

TEST(ScriptReaderTest, WhatRunsWhileItIsLoadedIsCheckedFirst) {
  const absl::StatusOr<torch::jit::Module> good =
      Load(Archive(WithSetState("s = torch.neg(state)"), Object("M", Tensor(4))).Build());
  ASSERT_TRUE(good.ok()) << good.status();
  const std::filesystem::path target = std::filesystem::path(::testing::TempDir()) / "written_by_a_model";
  std::filesystem::remove(target);
  const std::string write = "torch.save(state, \"" + target.string() + "\")";
  EXPECT_THAT(Refusal(WithSetState(write), Object("M", Tensor(4))),
              AllOf(HasSubstr("aten::save"), HasSubstr("reads or writes files")));
  // As a method of the tensor, which reading the source does not find.
  EXPECT_THAT(Refusal(WithSetState("state = state._reshape_alias([1000000], [1])"), Object("M", Tensor(4))),
              HasSubstr("aten::_reshape_alias"));
  EXPECT_FALSE(std::filesystem::exists(target));
  EXPECT_TRUE(Load(Archive(WithSetState(write), Object("M", Tensor(4))).Build(), /*trust_model_code=*/true).ok());
  EXPECT_TRUE(std::filesystem::exists(target));
  std::filesystem::remove(target);
}

TEST(ScriptReaderTest, WhatRunsWhileItIsCompiledIsCheckedFirst) {
  const std::string target = (std::filesystem::path(::testing::TempDir()) / "mapped_by_a_model").string();
  std::filesystem::remove(target);
  const std::string map = "torch.from_file(\"" + target + "\", True, 10)";
  EXPECT_THAT(Refusal(Class("M", "  def forward(self: __torch__.M, x: Tensor, y: Tensor=" + map +
                                     ") -> Tensor:\n    return x\n"),
                      Object("M", Dict({}))),
              AllOf(HasSubstr("code/__torch__.py:2"), HasSubstr("calls a function")));
  EXPECT_THAT(Refusal(Class("M", "  y : Final[Tensor] = " + map + "\n" + kForward), Object("M", Dict({}))),
              HasSubstr("calls a function"));
  EXPECT_FALSE(std::filesystem::exists(target));
  const absl::StatusOr<torch::jit::Module> values =
      Load(Archive(Class("M",
                         "  def forward(self: __torch__.M, x: Tensor, a: int=-1, b: float=float(\"inf\"), "
                         "c: List[int]=[1, 2], d: Optional[Device]=torch.device(\"cpu\")) -> Tensor:\n    return x\n"),
                   Object("M", Dict({})))
               .Build());
  EXPECT_TRUE(values.ok()) << values.status();
}

TEST(ScriptReaderTest, LibTorchsOwnClassesAreOnAList) {
  EXPECT_THAT(Refusal(Class("M", kForward), "c__torch__.torch.classes._nnapi\nCompilation\n)\x81}b"),
              HasSubstr("__torch__.torch.classes._nnapi.Compilation"));
}

TEST(ScriptReaderTest, WhatIsNoModuleIsRefused) {
  EXPECT_THAT(Refusal(Class("M", kForward), Int(3)), HasSubstr("holds no module"));
  EXPECT_THAT(Refusal(Class("N", kForward), Object("M", Dict({}))), Not(HasSubstr("0x")));
}

}  // namespace
}  // namespace torchferry::libtorch
