// Checkpoints that nobody's torch.save wrote: each is refused, names what is wrong, and nothing
// runs.
#include "server/checkpoint/checkpoint.h"
#include "server/checkpoint/test_files.h"

namespace torchferry::checkpoint {
namespace {

using absl::StatusCode;
using ::testing::AllOf;
using testing::AsFile;
using testing::Bytes;
using testing::CheckpointBytes;
using testing::Dict;
using testing::Fails;
using testing::Global;
using ::testing::HasSubstr;
using testing::Int;
using testing::Pickle;
using testing::Str;
using testing::Tensor;
using testing::TensorSpec;
using testing::Tuple;

absl::Status OpenPickle(const std::string& body) {
  return Checkpoint::Open(AsFile(CheckpointBytes(Pickle(body)))).status();
}

absl::Status OpenTensor(const TensorSpec& spec) { return OpenPickle(Dict("w", Tensor(spec))); }

TEST(HostileTest, TheHandWrittenCheckpointItselfIsSound) { EXPECT_TRUE(OpenTensor({}).ok()) << OpenTensor({}); }

TEST(HostileTest, CallsOfTheSystemAreNamedAndNotRun) {
  struct Case {
    std::string module, name;
  };
  for (const Case& c : std::vector<Case>{{"os", "system"},
                                         {"posix", "system"},
                                         {"builtins", "eval"},
                                         {"__builtin__", "exec"},
                                         {"subprocess", "Popen"},
                                         {"torch.hub", "load"},
                                         {"code", "interact"}}) {
    EXPECT_THAT(OpenPickle(Global(c.module, c.name) + Tuple({Str("touch /tmp/x")}) + "R"),
                Fails(StatusCode::kDataLoss, AllOf(HasSubstr(c.module + "." + c.name), HasSubstr("nothing was run"))));
  }
  // What is unknown is not run either, but it may be an honest class.
  EXPECT_THAT(OpenPickle(Global("some.package", "function") + Tuple({Str("x")}) + "R"),
              Fails(StatusCode::kInvalidArgument, HasSubstr("some.package.function")));
  for (const Case& c : std::vector<Case>{{"builtins", "getattr"}, {"code.models", "Net"}, {"osmnx", "graph"}}) {
    const absl::Status status = OpenPickle(Global(c.module, c.name) + Tuple({Str("x")}) + "R");
    EXPECT_THAT(status, Fails(StatusCode::kInvalidArgument,
                              AllOf(HasSubstr(c.module + "." + c.name), ::testing::Not(HasSubstr("trusted")))));
  }
  // Many harmless names before it do not hide it, nor do weights beside it.
  std::string many = "}(" + Str("w") + Tensor();
  for (int i = 0; i < 200; ++i) many += Str("k" + std::to_string(i)) + Global("a", "C" + std::to_string(i));
  EXPECT_TRUE(OpenPickle(many + "u").ok()) << OpenPickle(many + "u");
  EXPECT_THAT(OpenPickle(many + Str("z") + Global("os", "system") + "u"),
              Fails(StatusCode::kDataLoss, HasSubstr("os.system")));
  // Even beside a model's classes, and even if it is only mentioned.
  EXPECT_THAT(OpenPickle("(" + Global("a", "Net") + ")\x81" + Global("os", "system") + "t"),
              Fails(StatusCode::kDataLoss, HasSubstr("os.system")));
  // A later opcode that is refused does not hide it.
  EXPECT_THAT(OpenPickle(Global("os", "system") + "(o"), Fails(StatusCode::kDataLoss, HasSubstr("os.system")));
}

TEST(HostileTest, NamesCannotForgeLogLines) {
  const absl::Status status = OpenPickle("(" + Str("a\nERROR b") + Str("x\x1b[2J") + "\x93t");
  EXPECT_EQ(status.message().find('\n'), absl::string_view::npos) << status;
  EXPECT_EQ(status.message().find('\x1b'), absl::string_view::npos) << status;
}

TEST(HostileTest, ViewsMustStayInTheirStorage) {
  const auto expect_leaves = [](const TensorSpec& spec) {
    EXPECT_THAT(OpenTensor(spec), Fails(StatusCode::kDataLoss, HasSubstr("tensor \"w\"")));
  };
  expect_leaves({.offset = 1});
  expect_leaves({.offset = INT64_MAX});
  expect_leaves({.offset = -1});
  expect_leaves({.shape = Tuple({Int(2), Int(3)})});
  expect_leaves({.shape = Tuple({Int(-2), Int(2)})});
  expect_leaves({.strides = Tuple({Int(-2), Int(1)})});
  expect_leaves({.strides = Tuple({Int(INT64_MAX), Int(1)})});
  expect_leaves({.strides = Tuple({Int(int64_t{1} << 62), Int(int64_t{1} << 62)})});
  expect_leaves({.shape = Tuple({Int(int64_t{1} << 62), Int(int64_t{1} << 62)})});
  expect_leaves({.strides = Tuple({Int(1)})});
  expect_leaves({.offset = 100, .shape = Tuple({Int(0)}), .strides = Tuple({Int(1)})});
  expect_leaves({.shape = "N"});
  expect_leaves({.shape = Tuple({"N", "N"})});
}

TEST(HostileTest, ExpandedTensorsHaveABudget) {
  EXPECT_TRUE(OpenTensor({.shape = Tuple({Int(1000)}), .strides = Tuple({Int(0)})}).ok());
  EXPECT_THAT(OpenTensor({.shape = Tuple({Int(int64_t{1} << 40)}), .strides = Tuple({Int(0)})}),
              Fails(StatusCode::kDataLoss, HasSubstr("repeats its elements")));
}

TEST(HostileTest, StoragesMustBeWhatTheyClaim) {
  EXPECT_THAT(OpenTensor({.numel = 5}), Fails(StatusCode::kDataLoss, HasSubstr("said to hold 5 elements")));
  EXPECT_THAT(OpenTensor({.numel = int64_t{1} << 62}), Fails(StatusCode::kDataLoss, HasSubstr("said to hold")));
  EXPECT_THAT(OpenTensor({.numel = -4}), Fails(StatusCode::kDataLoss, HasSubstr("no count")));
  EXPECT_THAT(OpenTensor({.key = "7"}), Fails(StatusCode::kDataLoss, HasSubstr("no entry")));
  EXPECT_THAT(OpenTensor({.key = "../data.pkl"}), Fails(StatusCode::kDataLoss, HasSubstr("no entry")));
  EXPECT_THAT(OpenTensor({.type = Global("torch", "float32")}),
              Fails(StatusCode::kDataLoss, HasSubstr("no storage type")));
  EXPECT_THAT(OpenTensor({.device = Int(1)}), Fails(StatusCode::kDataLoss, HasSubstr("no string")));
  EXPECT_THAT(OpenPickle("}(" + Str("a") + Tensor() + Str("b") + Tensor({.device = Str("cuda:0")}) + "u"),
              Fails(StatusCode::kDataLoss, HasSubstr("on \"cpu\" and on \"cuda:0\"")));
  EXPECT_THAT(OpenPickle(Dict(
                  "w", Global("torch._utils", "_rebuild_tensor_v2") + Tuple({"NQ", "N", "N", "N", "N", "N"}) + "R")),
              Fails(StatusCode::kDataLoss, HasSubstr("persistent id")));
}

TEST(HostileTest, RebuildFunctionsNeedTheirArguments) {
  for (const std::string function : {"_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3",
                                     "_rebuild_parameter", "_rebuild_parameter_with_state", "_rebuild_qtensor"}) {
    EXPECT_FALSE(OpenPickle(Dict("w", Global("torch._utils", function) + ")R")).ok()) << function;
  }
  EXPECT_FALSE(OpenPickle(Dict("w", Global("torch._tensor", "_rebuild_from_type_v2") + ")R")).ok());
}

TEST(HostileTest, CyclesAreNotFollowed) {
  // A dict that holds itself, a parameter whose data is itself by way of the memo, a list in a
  // list.
  EXPECT_THAT(OpenPickle("}q\x01" + Str("w") + "h\x01s"),
              Fails(StatusCode::kInvalidArgument, HasSubstr("without tensors")));
  EXPECT_FALSE(OpenPickle("]q\x01h\x01"
                          "a")
                   .ok());
  std::string wrapped = Tensor();
  for (int i = 0; i < 1000; ++i) {
    wrapped = Global("torch._utils", "_rebuild_parameter") + "(" + wrapped + "\x88}tR";
  }
  EXPECT_FALSE(OpenPickle(Dict("w", wrapped)).ok());
}

TEST(HostileTest, OneBigDictUnderManyNamesTakesNoSquareOfTime) {
  constexpr int kMany = 200'000;
  std::string pickle = "}q\x01(";
  for (int i = 0; i < kMany; ++i) pickle += "NN";
  pickle += "u0}(";
  for (int i = 0; i < kMany; ++i) pickle += "U\x03" + Bytes(static_cast<uint64_t>(i), 3) + "h\x01";
  EXPECT_THAT(OpenPickle(pickle + "u"), Fails(StatusCode::kInvalidArgument, HasSubstr("without tensors")));
}

TEST(HostileTest, KeysMustBeCleanAndUnique) {
  EXPECT_THAT(OpenPickle(Dict("w\xff", Tensor())), Fails(StatusCode::kDataLoss, HasSubstr("UTF-8")));
  EXPECT_THAT(OpenPickle(Dict("w\n", Tensor())), Fails(StatusCode::kDataLoss, HasSubstr("UTF-8")));
  EXPECT_THAT(OpenPickle("}(" + Str("w") + Tensor() + Str("w") + Tensor() + "u"),
              Fails(StatusCode::kDataLoss, HasSubstr("twice")));
  EXPECT_THAT(OpenPickle("}(" + Int(3) + Tensor() + "u"),
              Fails(StatusCode::kInvalidArgument, HasSubstr("a key that is a int")));
}

TEST(HostileTest, MissingAndDamagedPicklesAreDataLoss) {
  EXPECT_THAT(Checkpoint::Open(AsFile(testing::ZipBuilder().Add("a/x", "1").Build())).status(),
              Fails(StatusCode::kDataLoss, HasSubstr("no entry \"data.pkl\"")));
  EXPECT_THAT(Checkpoint::Open(AsFile(CheckpointBytes("}"))).status(),
              Fails(StatusCode::kDataLoss, HasSubstr("data.pkl: the pickle breaks off")));
}

TEST(HostileTest, EachPrefixOfACheckpointIsAnError) {
  const std::string whole = testing::FixtureBytes("tied.pt");
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(Checkpoint::Open(AsFile(whole.substr(0, size))).ok()) << size;
  }
}

}  // namespace
}  // namespace torchferry::checkpoint
