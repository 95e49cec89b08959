#include "server/checkpoint/torchscript.h"

#include "server/checkpoint/test_files.h"

namespace torchferry::checkpoint {
namespace {

using absl::StatusCode;
using testing::AsFile;
using ::testing::ElementsAre;
using testing::Fails;
using testing::Fixture;
using testing::Global;
using ::testing::HasSubstr;
using testing::Pickle;
using ::testing::UnorderedElementsAre;
using testing::ZipBuilder;

std::string ArchiveBytes(const std::string& pickle) {
  return ZipBuilder()
      .Add("m/data.pkl", pickle)
      .Add("m/constants.pkl", Pickle(")"))
      .Add("m/code/__torch__.py", "class M(Module):\n")
      .Add("m/version", "3\n")
      .Build();
}

TEST(TorchScriptTest, DescribesAScriptedModule) {
  const auto info = DescribeTorchScript(Fixture("scripted.pt"));
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->producer, "PyTorch");
  // fc.weight, fc.bias, scale.
  EXPECT_THAT(info->dtypes, UnorderedElementsAre(tensor::DType::kFp32, tensor::DType::kFp64));
  ASSERT_EQ(info->storages.size(), 3u);
  for (const StorageInfo& storage : info->storages) EXPECT_EQ(storage.saved_device, "cpu");
  ASSERT_FALSE(info->code_files.empty());
  ASSERT_EQ(info->code_files.size(), info->code_texts.size());
  EXPECT_THAT(info->code_files[0], HasSubstr("code/__torch__"));
  EXPECT_THAT(info->code_texts[0], HasSubstr("def forward"));
}

TEST(TorchScriptTest, TheModulesTensorsHaveTheNamesOfAStateDict) {
  const auto info = DescribeTorchScript(Fixture("scripted.pt"));
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_THAT(info->module_class, HasSubstr("__torch__."));
  std::vector<std::string> parameters;
  std::vector<std::string> buffers;
  for (const ModuleTensor& entry : info->tensors) {
    (entry.is_parameter ? parameters : buffers).push_back(entry.tensor.key);
    EXPECT_LT(entry.tensor.storage, info->storages.size());
  }
  EXPECT_THAT(parameters, UnorderedElementsAre("fc.weight", "fc.bias"));
  EXPECT_THAT(buffers, ElementsAre("scale"));
}

TEST(TorchScriptTest, MethodsOfTheRootAreListed) {
  TorchScriptInfo info;
  info.module_class = "__torch__.zoo.Net";
  info.code_files = {"code/__torch__/zoo.py"};
  info.code_texts = {
      "class Part(Module):\n  def forward(self: __torch__.zoo.Part) -> int:\n    return 1\n"
      "class Net(Module):\n  fc : Tensor\n  def __setstate__(self: __torch__.zoo.Net) -> None:\n    pass\n"
      "  def encode(self: __torch__.zoo.Net,\n    x: Tensor) -> Tensor:\n    return x\n"
      "  def decode(self: __torch__.zoo.Net) -> int:\n    return 1\n"};
  EXPECT_THAT(MethodsOf(info), ElementsAre("encode", "decode"));
  info.module_class = "__torch__.none.Net";
  EXPECT_TRUE(MethodsOf(info).empty());
  const auto scripted = DescribeTorchScript(Fixture("scripted.pt"));
  ASSERT_TRUE(scripted.ok()) << scripted.status();
  EXPECT_THAT(MethodsOf(*scripted), ElementsAre("forward"));
  EXPECT_THAT(scripted->classes, ::testing::Contains(scripted->module_class));
}

TEST(TorchScriptTest, MembersOfEnumsAreValues) {
  for (const std::string& value : {testing::Int(2), testing::Str("gelu")}) {
    EXPECT_TRUE(DescribeTorchScript(AsFile(ArchiveBytes(Pickle(Global("__torch__", "Act") + value + "R")))).ok());
  }
  EXPECT_THAT(DescribeTorchScript(
                  AsFile(ArchiveBytes(Pickle(Global("torch._utils", "_rebuild_tensor_v2") + testing::Int(2) + "R"))))
                  .status(),
              Fails(StatusCode::kDataLoss, HasSubstr("not a tuple")));
}

TEST(TorchScriptTest, AModuleInsideItselfEnds) {
  const std::string self = Global("__torch__", "M") + ")\x81q\x01}" + testing::Str("a") + "h\x01" + "sb";
  EXPECT_THAT(DescribeTorchScript(AsFile(ArchiveBytes(Pickle(self)))).status(),
              Fails(StatusCode::kDataLoss, HasSubstr("deep")));
}

TEST(TorchScriptTest, WhatLibTorchWouldRecurseIntoIsBounded) {
  std::string tuples = "N";
  for (int i = 0; i < 5000; ++i) tuples += "\x85";
  EXPECT_THAT(DescribeTorchScript(AsFile(ArchiveBytes(Pickle(tuples)))).status(),
              Fails(StatusCode::kDataLoss, HasSubstr("inside each other more than 1000 deep")));
  std::string shared = "N";
  for (int i = 0; i < 40; ++i) shared += "q\x01h\x01\x86";  // a pair of itself: 2^40 values, 40 deep
  EXPECT_TRUE(DescribeTorchScript(AsFile(ArchiveBytes(Pickle(shared)))).ok());
  std::string type;
  for (int i = 0; i < 500; ++i) type += "List[";
  EXPECT_THAT(DescribeTorchScript(AsFile(ArchiveBytes(Pickle(Global("torch.jit._pickle", "restore_type_tag") + "N" +
                                                             testing::Str(type) + "\x86R"))))
                  .status(),
              Fails(StatusCode::kDataLoss, HasSubstr("brackets nest more than 100 deep")));
}

TEST(TorchScriptTest, AnArchiveWithoutItsPartsIsDamaged) {
  EXPECT_THAT(DescribeTorchScript(AsFile(ZipBuilder()
                                             .Add("m/data.pkl", Pickle("N"))
                                             .Add("m/code/__torch__.py", "")
                                             .Add("m/version", "3\n")
                                             .Build()))
                  .status(),
              Fails(StatusCode::kDataLoss, HasSubstr("no entry \"constants.pkl\"")));
  EXPECT_THAT(DescribeTorchScript(AsFile(ZipBuilder()
                                             .Add("m/data.pkl", Pickle("N"))
                                             .Add("m/constants.pkl", Pickle(")"))
                                             .Add("m/code/__torch__.py", "")
                                             .Build()))
                  .status(),
              Fails(StatusCode::kDataLoss, HasSubstr("no entry \"version\"")));
}

TEST(TorchScriptTest, ObjectsAreSkippedOverAndNotBuilt) {
  const auto info = DescribeTorchScript(AsFile(ArchiveBytes(
      Pickle(Global("__torch__", "M") + ")\x81}(" + testing::Str("a") + Global("torch.jit._pickle", "build_intlist") +
             "](KK"
             "KKe\x85R" +
             "ub"))));
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_THAT(info->code_files, ElementsAre("code/__torch__.py"));
  EXPECT_THAT(info->code_texts, ElementsAre("class M(Module):\n"));
}

TEST(TorchScriptTest, ForeignNamesAreRefused) {
  EXPECT_THAT(DescribeTorchScript(AsFile(ArchiveBytes(Pickle(Global("os", "system") + ")R")))).status(),
              Fails(StatusCode::kDataLoss, HasSubstr("os.system")));
}

TEST(TorchScriptTest, DamagedTensorsAreRefused) {
  EXPECT_THAT(DescribeTorchScript(AsFile(ArchiveBytes(Pickle(testing::Tensor())))).status(),
              Fails(StatusCode::kDataLoss, HasSubstr("no entry")));
}

// `args` behind the storage "0" of 4 bytes.
std::string QuantisedArchive(const std::string& storage_type, const std::string& args) {
  using testing::Int;
  using testing::Str;
  const std::string storage =
      testing::Tuple({Str("storage"), Global("torch", storage_type), Str("0"), Str("cpu"), Int(4)}) + "Q";
  return ZipBuilder()
      .Add("m/data.pkl", Pickle(Global("torch._utils", "_rebuild_qtensor") + "(" + storage + args + "tR"))
      .Add("m/data/0", "1234")
      .Add("m/constants.pkl", Pickle(")"))
      .Add("m/code/__torch__.py", "")
      .Add("m/version", "3\n")
      .Build();
}

TEST(TorchScriptTest, QuantisedTensorsAreHeldAgainstTheirStorage) {
  using testing::Int;
  using testing::Tuple;
  const std::string rest = std::string("\x89") + Global("collections", "OrderedDict") + ")R";
  const std::string affine = Tuple({Global("torch", "per_tensor_affine"), "G" + std::string(8, '\0'), Int(0)});
  const auto args = [&](int64_t offset, int64_t size, int64_t stride, const std::string& quantiser) {
    return Int(offset) + Tuple({Int(size)}) + Tuple({Int(stride)}) + quantiser + rest;
  };
  EXPECT_TRUE(DescribeTorchScript(AsFile(QuantisedArchive("QInt8Storage", args(0, 4, 1, affine)))).ok());
  EXPECT_TRUE(DescribeTorchScript(AsFile(QuantisedArchive("QUInt4x2Storage", args(0, 8, 1, affine)))).ok());
  for (const std::string& bad : {args(0, 5, 1, affine), args(1, 4, 1, affine), args(0, 2, 1 << 30, affine)}) {
    EXPECT_THAT(DescribeTorchScript(AsFile(QuantisedArchive("QInt8Storage", bad))).status(),
                Fails(StatusCode::kDataLoss, HasSubstr("leaves its storage")));
  }
  EXPECT_THAT(DescribeTorchScript(AsFile(QuantisedArchive("QUInt4x2Storage", args(0, 9, 1, affine)))).status(),
              Fails(StatusCode::kDataLoss, HasSubstr("leaves its storage")));
  // A scale for each of 4 channels is wanted, and the tensor of 4 bytes has another shape.
  const std::string scale = testing::Tensor(
      {.numel = 1, .shape = Tuple({Int(1)}), .strides = Tuple({Int(1)}), .type = Global("torch", "FloatStorage")});
  const std::string channels = Tuple({Global("torch", "per_channel_affine"), scale, scale, Int(0)});
  EXPECT_THAT(DescribeTorchScript(AsFile(QuantisedArchive("QInt8Storage", args(0, 4, 1, channels)))).status(),
              Fails(StatusCode::kDataLoss, HasSubstr("scales for 4 channels")));
}

TEST(TorchScriptTest, SparseTensorsAreRefused) {
  EXPECT_THAT(DescribeTorchScript(AsFile(ArchiveBytes(Pickle(Global("torch._utils", "_rebuild_sparse_tensor") + ")R"))))
                  .status(),
              Fails(StatusCode::kInvalidArgument, HasSubstr("is sparse")));
}

TEST(TorchScriptTest, AnArchiveHasOneVersion) {
  const auto archive = [](const std::string& version, const std::string& other) {
    return AsFile(ZipBuilder()
                      .Add("m/data.pkl", Pickle("N"))
                      .Add("m/constants.pkl", Pickle(")"))
                      .Add("m/code/__torch__.py", "")
                      .Add("m/version", version)
                      .Add("m/.data/version", other)
                      .Build());
  };
  EXPECT_TRUE(DescribeTorchScript(archive("3\n", "3")).ok());
  EXPECT_THAT(DescribeTorchScript(archive("3\n", "10\n")).status(),
              Fails(StatusCode::kDataLoss, HasSubstr("two versions")));
  EXPECT_THAT(DescribeTorchScript(archive("3x", "3")).status(),
              Fails(StatusCode::kDataLoss, HasSubstr("expected a number")));
}

TEST(TorchScriptTest, EachPrefixIsAnError) {
  const std::string whole = testing::FixtureBytes("scripted.pt");
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(DescribeTorchScript(AsFile(whole.substr(0, size))).ok()) << size;
  }
}

}  // namespace
}  // namespace torchferry::checkpoint
