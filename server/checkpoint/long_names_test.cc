// Names in checkpoints and archives that are longer, more, or deeper than anybody's.
#include "server/checkpoint/checkpoint.h"
#include "server/checkpoint/limits.h"
#include "server/checkpoint/test_files.h"
#include "server/checkpoint/torchscript.h"

namespace torchferry::checkpoint {
namespace {

using absl::StatusCode;
using ::testing::AllOf;
using testing::AsFile;
using testing::Bytes;
using testing::CheckpointBytes;
using testing::Fails;
using testing::Global;
using ::testing::HasSubstr;
using testing::Pickle;
using testing::Str;
using testing::Tensor;
using testing::ZipBuilder;

// An object of a module's class with that state.
std::string ModuleObject(const std::string& entries) { return Global("__torch__", "M") + ")\x81}(" + entries + "ub"; }

absl::Status DescribePickle(const std::string& body) {
  return DescribeTorchScript(AsFile(ZipBuilder()
                                        .Add("m/data.pkl", Pickle(body))
                                        .Add("m/data/0", std::string(16, '\1'))
                                        .Add("m/constants.pkl", Pickle(")"))
                                        .Add("m/code/__torch__.py", "class M(Module):\n")
                                        .Add("m/version", "3\n")
                                        .Build()))
      .status();
}

absl::Status OpenWithKey(const std::string& pickle, const std::string& key) {
  return Checkpoint::Open(AsFile(CheckpointBytes(Pickle(pickle))), [&](const CheckpointOutline&) { return key; })
      .status();
}

TEST(LongNamesTest, AModuleOfTooManyAttributesIsRefused) {
  std::string entries;
  for (size_t i = 0; i < limits::kMaxModuleMembers; ++i) entries += Str("a" + std::to_string(i)) + "N";
  EXPECT_TRUE(DescribePickle(ModuleObject(entries)).ok()) << DescribePickle(ModuleObject(entries));
  entries += Str("one more") + "N";
  EXPECT_THAT(DescribePickle(ModuleObject(Str("inner") + ModuleObject(entries))),
              Fails(StatusCode::kDataLoss, AllOf(HasSubstr("8193 attributes"), HasSubstr("\"inner\""))));
}

// The name is there once; a path with it would be there for each tensor.
TEST(LongNamesTest, ALongNameWithManyTensorsBelowItIsRefused) {
  std::string tensors;
  for (size_t i = 0; i < 1'000; ++i) tensors += Str("w" + std::to_string(i)) + Tensor();
  EXPECT_TRUE(DescribePickle(ModuleObject(Str("a") + ModuleObject(tensors))).ok());
  EXPECT_THAT(DescribePickle(ModuleObject(Str(std::string(10'000'000, 'a')) + ModuleObject(tensors))),
              Fails(StatusCode::kDataLoss, HasSubstr("longer than 4096 bytes")));
}

TEST(LongNamesTest, ADictOfALongNameIsNotOffered) {
  std::string dicts;
  for (size_t i = 0; i < 1'000; ++i) dicts += Str("d" + std::to_string(i)) + "}(" + Str("w") + Tensor() + "u";
  const std::string pickle = "}(" + Str(std::string(10'000'000, 'a')) + "}(" + dicts + "u" + "u";
  size_t offered = 1;
  const auto choose = [&](const CheckpointOutline& outline) {
    offered = outline.dicts.size();
    return std::string();
  };
  EXPECT_FALSE(Checkpoint::Open(AsFile(CheckpointBytes(Pickle(pickle))), choose).ok());
  EXPECT_EQ(offered, 0u);
}

// A state_dict of that many tensors, each on a device of its own, or all on one of a long name.
std::string OnDevices(size_t tensors, const std::string& device, bool is_numbered) {
  ZipBuilder zip;
  std::string pickle = "}(" + std::string(is_numbered ? "" : Str(device) + "q\x01" + "0");
  for (size_t i = 0; i < tensors; ++i) {
    const std::string key = std::to_string(i);
    pickle += Str("w" + key) + Tensor({.key = key, .device = is_numbered ? Str(device + key) : "h\x01"});
    zip.Add("m/data/" + key, std::string(16, '\1'));
  }
  return zip.Add("m/data.pkl", Pickle(pickle + "u")).Add("m/version", "3\n").Build();
}

TEST(LongNamesTest, DevicesAreFewAndHaveShortNames) {
  EXPECT_TRUE(Checkpoint::Open(AsFile(OnDevices(200, "cuda:", true))).ok());
  EXPECT_THAT(Checkpoint::Open(AsFile(OnDevices(300, "cuda:", true))).status(),
              Fails(StatusCode::kDataLoss, HasSubstr("more than 256 devices")));
  EXPECT_TRUE(Checkpoint::Open(AsFile(OnDevices(200, "cuda:1", false))).ok());
  EXPECT_THAT(Checkpoint::Open(AsFile(OnDevices(200, std::string(10'000'000, 'c'), false))).status(),
              Fails(StatusCode::kDataLoss, HasSubstr("too long")));
}

// Each part of the key goes through the dict once more.
TEST(LongNamesTest, AKeyThroughADictThatHoldsItselfEnds) {
  const std::string pickle = "}q\x01(" + Str("a") + "h\x01" + Str("w") + Tensor() + "u";
  std::string key = "a";
  for (size_t i = 1; i < limits::kMaxDictKeyParts - 1; ++i) key += ".a";
  EXPECT_TRUE(OpenWithKey(pickle, key).ok()) << OpenWithKey(pickle, key);
  for (size_t i = 0; i < 1'000; ++i) key += ".a";
  EXPECT_THAT(OpenWithKey(pickle, key), Fails(StatusCode::kInvalidArgument, HasSubstr("16 dicts")));
  EXPECT_THAT(OpenWithKey(pickle, std::string(1'000'000, 'a')),
              Fails(StatusCode::kInvalidArgument, HasSubstr("at most 4096 bytes")));
}

}  // namespace
}  // namespace torchferry::checkpoint
