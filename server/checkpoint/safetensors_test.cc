#include "server/checkpoint/safetensors.h"

#include "server/checkpoint/limits.h"
#include "server/checkpoint/test_files.h"

namespace torchferry::checkpoint {
namespace {

using absl::StatusCode;
using ::testing::AllOf;
using testing::AsFile;
using testing::Bytes;
using testing::Fails;
using ::testing::HasSubstr;

std::string FileBytes(const std::string& header, const std::string& data) {
  return Bytes(header.size(), 8) + header + data;
}

std::string Entry(const std::string& name, const std::string& dtype, const std::string& shape,
                  const std::string& offsets) {
  return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}";
}

absl::Status Open(const std::string& header, const std::string& data = "") {
  return OpenSafetensors(AsFile(FileBytes(header, data))).status();
}

TEST(SafetensorsTest, ReadsTensorsInAnyOrderOfTheirBytes) {
  const std::string header = "{\"__metadata__\":{\"format\":\"pt\",\"by\":\"me\"}," +
                             Entry("b", "I64", "[1]", "[8,16]") + "," + Entry("a", "F32", "[2,1]", "[0,8]") + "," +
                             Entry("none", "BF16", "[0,3]", "[16,16]") + "," + Entry("scalar", "U8", "[]", "[16,17]") +
                             "}   ";
  const std::string data = "abcdefgh" + Bytes(7, 8) + "\x05";
  const auto opened = Checkpoint::Open(AsFile(FileBytes(header, data)));
  ASSERT_TRUE(opened.ok()) << opened.status();
  const CheckpointIndex& index = (*opened)->index();
  EXPECT_EQ(index.producer, "PyTorch");
  ASSERT_EQ(index.tensors.size(), 4u);
  EXPECT_EQ(index.tensors[0].key, "b");
  EXPECT_EQ(index.tensors[0].dtype, tensor::DType::kInt64);
  EXPECT_EQ(index.tensors[1].shape, (tensor::Shape{2, 1}));
  EXPECT_EQ(index.tensors[1].strides, (std::vector<int64_t>{1, 1}));
  EXPECT_EQ(index.tensors[2].shape, (tensor::Shape{0, 3}));
  EXPECT_EQ(index.tensors[3].shape, tensor::Shape{});
  EXPECT_EQ(index.storages[0].saved_device, "");
  std::string bytes(8, '\0');
  ASSERT_TRUE((*opened)->ReadStorage(1, std::as_writable_bytes(std::span(bytes))).ok());
  EXPECT_EQ(bytes, "abcdefgh");
}

TEST(SafetensorsTest, AFileWithoutTensorsIsOne) {
  EXPECT_TRUE(Open("{}").ok());
  EXPECT_TRUE(Open("{\"__metadata__\":{}}").ok());
}

struct Broken {
  std::string header;
  std::string data;
  std::string message;
};

TEST(SafetensorsTest, EachRuleOfTheFormatIsHeld) {
  const std::string good = Entry("a", "F32", "[2]", "[0,8]");
  for (const Broken& broken : std::vector<Broken>{
           {"{", "", "no JSON from byte"},
           {"{}x", "", "no JSON from byte"},
           {"[]", "", "a list instead of an object"},
           {"7", "", "a number instead of an object"},
           {"{\"a\":7}", "", "a number that has no place there, under \"a\""},
           {"{\"a\":null}", "", "null that has no place"},
           {"{\"a\":[1]}", "", "a list that has no place"},
           {"{\"a\":{}}", "", "lacks one of dtype, shape and data_offsets"},
           {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", "", "lacks one of"},
           {"{\"a\":{\"x\":1}}", "", "has a field \"x\""},
           {"{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}", "", "has \"dtype\" twice"},
           {"{\"a\":{\"shape\":[[1]]}}", "", "a list that has no place"},
           {"{\"a\":{\"shape\":{\"b\":1}}}", "", "an object that has no place"},
           {"{\"a\":{\"shape\":[-1]}}", "", "negative number, -1"},
           {"{\"a\":{\"shape\":[1.5]}}", "", "where an integer is expected"},
           {"{\"a\":{\"shape\":[9223372036854775808]}}", "", "a dimension of 9223372036854775808"},
           {"{\"a\":{\"data_offsets\":[0]}}", "", "has 1 data_offsets; expected 2"},
           {"{\"a\":{\"data_offsets\":[0,1,2]}}", "", "more than 2 data_offsets"},
           {"{\"__metadata__\":{\"a\":1}}", "", "a number that has no place"},
           {"{" + good + "," + good + "}", std::string(8, 'x'), "key \"a\" is there twice"},
           {"{\"\xff\":{}}", "", "no JSON from byte"},
           {"{\"a\\u0000\":{}}", "", "not clean UTF-8"},
           {"{" + Entry("a", "F32", "[3]", "[0,8]") + "}", std::string(8, 'x'),
            "tensor \"a\" of dtype F32 and shape [3] has 8 bytes"},
           {"{" + Entry("a", "F32", "[2]", "[8,0]") + "}", std::string(8, 'x'), "ends at byte 0, before it begins (8)"},
           {"{" + Entry("a", "F32", "[4294967296,4294967296]", "[0,8]") + "}", std::string(8, 'x'), "has 8 bytes"},
           {"{" + Entry("a", "F32", "[0,9223372036854775807,4]", "[0,8]") + "}", std::string(8, 'x'), "has 8 bytes"},
           {"{" + good + "," + Entry("b", "F32", "[2]", "[4,12]") + "}", std::string(12, 'x'),
            "begins at byte 4 of the data; expected 8"},
           {"{" + good + "," + Entry("b", "F32", "[1]", "[12,16]") + "}", std::string(16, 'x'),
            "begins at byte 12 of the data; expected 8"},
           {"{" + good + "}", std::string(9, 'x'), "has 9 bytes of data; its tensors take 8"},
           {"{" + good + "}", std::string(7, 'x'), "ends at byte 8 of the data, of which 7"},
       }) {
    EXPECT_THAT(Open(broken.header, broken.data),
                Fails(StatusCode::kDataLoss, AllOf(HasSubstr("m/1/model.pt: "), HasSubstr(broken.message))))
        << broken.header;
  }
}

TEST(SafetensorsTest, TheHeadersLengthIsHeldAgainstTheFileAndTheFormat) {
  EXPECT_THAT(OpenSafetensors(AsFile(Bytes(100, 8) + "{}")).status(),
              Fails(StatusCode::kDataLoss, HasSubstr("10 bytes, of which the header alone takes 108")));
  const std::string huge = Bytes(uint64_t{2} << 30, 8) + "{}";
  EXPECT_TRUE(HasSafetensorsHeader(huge));
  EXPECT_THAT(OpenSafetensors(AsFile(huge)).status(),
              Fails(StatusCode::kDataLoss, HasSubstr("2147483648 bytes; the format allows")));
  EXPECT_FALSE(HasSafetensorsHeader(Bytes(uint64_t{1} << 50, 8) + "{}"));
  EXPECT_FALSE(HasSafetensorsHeader(Bytes(2, 8)));
}

TEST(SafetensorsTest, DTypesThatAreNotServedNameTheTensor) {
  EXPECT_THAT(Open("{" + Entry("scale", "F8_E8M0", "[1]", "[0,1]") + "}", "x"),
              Fails(StatusCode::kInvalidArgument, AllOf(HasSubstr("tensor \"scale\""), HasSubstr("F8_E8M0"))));
}

TEST(SafetensorsTest, DepthCostsNothing) {
  std::string header = "{\"a\":{\"shape\":";
  header.append(1'000'000, '[');
  EXPECT_THAT(Open(header), Fails(StatusCode::kDataLoss, HasSubstr("a list that has no place")));
}

TEST(SafetensorsTest, EachPrefixIsAnError) {
  const std::string whole = FileBytes("{" + Entry("a", "F32", "[2]", "[0,8]") + "}", "12345678");
  for (size_t size = 8; size < whole.size(); ++size) {
    EXPECT_FALSE(OpenSafetensors(AsFile(whole.substr(0, size))).ok()) << size;
  }
}

}  // namespace
}  // namespace torchferry::checkpoint
