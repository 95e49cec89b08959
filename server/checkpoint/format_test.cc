#include "server/checkpoint/format.h"

#include "server/checkpoint/test_files.h"

namespace torchferry::checkpoint {
namespace {

using absl::StatusCode;
using ::testing::AllOf;
using testing::AsFile;
using testing::Bytes;
using testing::Fails;
using testing::Fixture;
using ::testing::HasSubstr;
using testing::ZipBuilder;

TEST(FormatTest, RecognisesByContent) {
  EXPECT_EQ(*Recognise(*Fixture("module.pt")), FileFormat::kZipCheckpoint);
  EXPECT_EQ(*Recognise(*Fixture("whole_model.pt")), FileFormat::kZipCheckpoint);
  EXPECT_EQ(*Recognise(*Fixture("scripted.pt")), FileFormat::kTorchScript);
  for (const std::string name : {"legacy.pt", "legacy_protocol4.pt", "legacy_whole_model.pt", "legacy_tied.pt"}) {
    EXPECT_EQ(*Recognise(*Fixture(name)), FileFormat::kLegacyCheckpoint) << name;
  }
  EXPECT_EQ(*Recognise(*AsFile(Bytes(2, 8) + "{}")), FileFormat::kSafetensors);
  EXPECT_EQ(Name(FileFormat::kSafetensors), "safetensors");
  EXPECT_EQ(Name(FileFormat::kLegacyCheckpoint), "legacy state_dict");
  EXPECT_EQ(Name(FileFormat::kTorchScript), "torchscript");
  EXPECT_EQ(Name(FileFormat::kZipCheckpoint), "state_dict");
}

struct WrongFile {
  std::string bytes;
  StatusCode code;
  std::string message;
};

TEST(FormatTest, EachWrongFileSaysWhatItIs) {
  const std::string zip = testing::FixtureBytes("module.pt");
  for (const WrongFile& wrong : std::vector<WrongFile>{
           {"", StatusCode::kDataLoss, "is empty"},
           {std::string("\x1c\0\0\0TFL3", 8) + Bytes(0, 8), StatusCode::kInvalidArgument, "TensorFlow Lite"},
           {"\x08\x01\x12\x90\x01", StatusCode::kInvalidArgument, "TensorFlow graph"},
           {"\x0a\x12\x0a\x01x\x12\x0bPlaceholder", StatusCode::kInvalidArgument, "TensorFlow graph"},
           {"\x08\x0a\x12\x07pytorch", StatusCode::kInvalidArgument, "ONNX"},
           {"\n<!DOCTYPE html><html>", StatusCode::kDataLoss, "HTML page"},
           {"<HTML><head>", StatusCode::kDataLoss, "HTML page"},
           {"version https://git-lfs.github.com/spec/v1\noid sha256:", StatusCode::kDataLoss, "git lfs pull"},
           {zip.substr(0, 1000), StatusCode::kDataLoss, "truncated zip: 1000 bytes, end-of-archive record missing"},
           {"{\"a\": 1}", StatusCode::kInvalidArgument, "JSON"},
           {"[1, 2]\n", StatusCode::kInvalidArgument, "JSON"},
           {"[PAD]\n[unused0]\n[CLS]\nthe\n", StatusCode::kInvalidArgument, "is a text file"},
           {"[null_token]\n", StatusCode::kInvalidArgument, "is a text file"},
           {"{{ template }}\n", StatusCode::kInvalidArgument, "is a text file"},
           {std::string("\x1c\0\0\0ET12", 8) + Bytes(0, 8), StatusCode::kInvalidArgument, "ExecuTorch"},
           {"ftrt" + Bytes(0, 28), StatusCode::kInvalidArgument, "TensorRT engine"},
           {"\x7f"
            "ELF" +
                Bytes(0, 60),
            StatusCode::kInvalidArgument, "shared library"},
           {"\x89PNG\r\n\x1a\n" + Bytes(13, 8), StatusCode::kInvalidArgument, "PNG image"},
           {ZipBuilder().Add("m/.data/extern_modules", "").Add("m/net/model.pkl", "1").Build(),
            StatusCode::kInvalidArgument, "load_pickle(\"net\", \"model.pkl\")"},
           {ZipBuilder().Add("arr_0.npy", "1").Build(), StatusCode::kInvalidArgument, "\"arr_0.npy\""},
           {"\x1f\x8b\x08", StatusCode::kInvalidArgument, "gzip"},
           {std::string(257, '\x01') + "ustar", StatusCode::kInvalidArgument, "tar archive"},
           {"hello world\n", StatusCode::kInvalidArgument, "text file"},
           {"\x89HDF\r\n\x1a\n", StatusCode::kInvalidArgument, "HDF5"},
           {"\x80\x04N.", StatusCode::kInvalidArgument, "plain Python pickle"},
           {"\x80\x04\x8c\x25torch.distributed.checkpoint.metadata", StatusCode::kInvalidArgument, "dcp_to_torch"},
           {"\x01\x02\x03", StatusCode::kInvalidArgument, "3 bytes that begin with 01 02 03"},
           {ZipBuilder().Add("a/b.txt", "1").Build(), StatusCode::kInvalidArgument, "without data.pkl"},
           {ZipBuilder().Add("m/data/aotinductor/model/m.so", "1").Build(), StatusCode::kInvalidArgument,
            "AOTInductor"},
           {ZipBuilder().Add("m/archive_format", "pt2").Build(), StatusCode::kInvalidArgument, "without a program"},
       }) {
    EXPECT_THAT(Recognise(*AsFile(wrong.bytes)).status(),
                Fails(wrong.code, AllOf(HasSubstr("m/1/model.pt: "), HasSubstr(wrong.message))));
  }
}

TEST(FormatTest, AnIndexOfShardsIsRecognised) {
  const auto format = Recognise(*AsFile("\n{\"metadata\": {\"total_size\": 1}, \"weight_map\": {}}"));
  ASSERT_TRUE(format.ok()) << format.status();
  EXPECT_EQ(*format, FileFormat::kShards);
  EXPECT_EQ(Name(*format), "sharded state_dict");
}

TEST(FormatTest, EachPrefixOfAZipIsAnError) {
  const std::string whole = testing::FixtureBytes("tied.pt");
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(Recognise(*AsFile(whole.substr(0, size))).ok()) << size;
  }
}

}  // namespace
}  // namespace torchferry::checkpoint
