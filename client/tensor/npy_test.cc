// The files in testdata/ are numpy's own (make_npy.py).
#include "client/tensor/npy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>

#include "client/tensor/file.h"
#include "server/base/status.h"

namespace torchferry::client {
namespace {

using ::testing::HasSubstr;

std::string Fixture(const std::string& name) {
  const char* root = std::getenv("TORCHFERRY_SOURCE_DIR");
  const auto bytes = ReadFile(std::string(root != nullptr ? root : ".") + "/client/testdata/" + name + ".npy");
  EXPECT_TRUE(bytes.ok()) << bytes.status();
  return bytes.value_or("");
}

Array ParseOrDie(const std::string& bytes) {
  const auto array = ParseNpy(bytes);
  EXPECT_TRUE(array.ok()) << array.status();
  return array.value_or(Array{});
}

std::vector<double> Values(const Array& array) {
  std::vector<double> values;
  const auto count = tensor::ElementCount(array.shape);
  for (int64_t i = 0; i < *count; ++i) {
    values.push_back(std::visit([](auto v) { return static_cast<double>(v); }, GetElement(array, i)));
  }
  return values;
}

// A version 1.0 file with that header and data.
std::string File(const std::string& header, const std::string& data) {
  const auto length = static_cast<uint16_t>(header.size());
  std::string bytes("\x93NUMPY\x01\x00", 8);
  bytes.append(reinterpret_cast<const char*>(&length), 2);
  return bytes + header + data;
}

std::string ErrorOf(const std::string& bytes) {
  const auto array = ParseNpy(bytes);
  EXPECT_EQ(array.status().code(), absl::StatusCode::kInvalidArgument);
  return base::MessageOf(array.status());
}

struct TypeCase {
  const char* name;
  tensor::DType dtype;
};

class NpyTypeTest : public ::testing::TestWithParam<TypeCase> {};

TEST_P(NpyTypeTest, ReadsWhatNumpyWroteAndWritesTheSameBytes) {
  const std::string bytes = Fixture(GetParam().name);
  const Array array = ParseOrDie(bytes);
  EXPECT_EQ(array.dtype, GetParam().dtype);
  EXPECT_EQ(array.shape, (tensor::Shape{2, 3}));
  EXPECT_EQ(Values(array), (std::vector<double>{0, 1, 2, 100, 5, 6}));
  EXPECT_EQ(FormatNpy(array).value(), bytes);
}

INSTANTIATE_TEST_SUITE_P(All, NpyTypeTest,
                         ::testing::Values(TypeCase{"u1", tensor::DType::kUint8},
                                           TypeCase{"u2", tensor::DType::kUint16},
                                           TypeCase{"u4", tensor::DType::kUint32},
                                           TypeCase{"u8", tensor::DType::kUint64}, TypeCase{"i1", tensor::DType::kInt8},
                                           TypeCase{"i2", tensor::DType::kInt16}, TypeCase{"i4", tensor::DType::kInt32},
                                           TypeCase{"i8", tensor::DType::kInt64}, TypeCase{"f2", tensor::DType::kFp16},
                                           TypeCase{"f4", tensor::DType::kFp32}, TypeCase{"f8", tensor::DType::kFp64}),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(NpyTest, ReadsAndWritesBooleans) {
  const std::string bytes = Fixture("b1");
  const Array array = ParseOrDie(bytes);
  EXPECT_EQ(array.dtype, tensor::DType::kBool);
  EXPECT_EQ(Values(array), (std::vector<double>{1, 0, 0, 1}));
  EXPECT_EQ(FormatNpy(array).value(), bytes);
}

TEST(NpyTest, ReadsAndWritesEveryRank) {
  for (const auto& [name, shape] :
       {std::pair<std::string, tensor::Shape>{"scalar", {}}, std::pair<std::string, tensor::Shape>{"vector", {4}},
        std::pair<std::string, tensor::Shape>{"empty", {0, 3}}}) {
    const std::string bytes = Fixture(name);
    const Array array = ParseOrDie(bytes);
    EXPECT_EQ(array.shape, shape);
    EXPECT_EQ(FormatNpy(array).value(), bytes) << name;
  }
}

TEST(NpyTest, ReadsFormatVersions1To3) {
  for (const char* name : {"version_1", "version_2", "version_3"}) {
    EXPECT_EQ(Values(ParseOrDie(Fixture(name))), (std::vector<double>{0, 1, 2})) << name;
  }
}

TEST(NpyTest, ConvertsBigEndian) {
  EXPECT_EQ(Values(ParseOrDie(Fixture("big_endian"))), (std::vector<double>{0, 1, 2, 100, 5, 6}));
}

TEST(NpyTest, TransposesFortranOrder) {
  const Array array = ParseOrDie(Fixture("fortran"));
  EXPECT_EQ(array.shape, (tensor::Shape{2, 3, 4}));
  std::vector<double> want(24);
  for (size_t i = 0; i < want.size(); ++i) want[i] = static_cast<double>(i);
  EXPECT_EQ(Values(array), want);
}

TEST(NpyTest, ReadsTwoByteVoidAsBf16) {
  const Array array = ParseOrDie(Fixture("bf16_void"));
  EXPECT_EQ(array.dtype, tensor::DType::kBf16);
  EXPECT_EQ(Values(array), (std::vector<double>{1, -2}));
  EXPECT_EQ(FormatNpy(array).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(NpyTest, Fp16RoundsAsNumpyDoes) {
  const Array from = ParseOrDie(Fixture("rounding_f8"));
  const Array want = ParseOrDie(Fixture("rounding_f2"));
  for (int64_t i = 0; i < from.shape[0]; ++i) {
    const double value = std::get<double>(GetElement(from, i));
    Array have{tensor::DType::kFp16, {1}, {}};
    const bool fits = AppendElement(value, &have).ok();
    const double rounded = std::get<double>(GetElement(want, i));
    EXPECT_EQ(fits, std::isinf(value) || !std::isinf(rounded)) << value;
    if (fits) {
      EXPECT_EQ(have.data, want.data.substr(static_cast<size_t>(i) * 2, 2)) << value;
    }
  }
}

TEST(NpyTest, SaysWhatIsNotSupported) {
  EXPECT_THAT(ErrorOf(Fixture("complex")), HasSubstr("'<c8' (complex)"));
  EXPECT_THAT(ErrorOf(Fixture("text")), HasSubstr("text"));
  EXPECT_THAT(ErrorOf(Fixture("objects")), HasSubstr("Python objects"));
  EXPECT_THAT(ErrorOf(Fixture("fields")), HasSubstr("several fields"));
}

TEST(NpyTest, SaysWhenDataIsMissingOrTooMuch) {
  const std::string bytes = Fixture("f4");
  EXPECT_THAT(ErrorOf(bytes.substr(0, bytes.size() - 1)), HasSubstr("truncated"));
  EXPECT_THAT(ErrorOf(bytes.substr(0, bytes.size() - 1)), HasSubstr("needs 24 bytes, it holds 23"));
  EXPECT_THAT(ErrorOf(bytes + "x"), HasSubstr("too long"));
}

TEST(NpyTest, EveryTruncationIsAnError) {
  const std::string bytes = Fixture("version_2");
  for (size_t size = 0; size < bytes.size(); ++size) ErrorOf(bytes.substr(0, size));
}

// Whatever a byte becomes, the reader answers: an array that agrees with itself, or an error.
TEST(NpyTest, EveryChangedByteIsAnswered) {
  for (const char* name : {"fortran", "version_3", "f4"}) {
    const std::string bytes = Fixture(name);
    for (size_t i = 0; i < bytes.size(); ++i) {
      for (const char value : {'\x00', '\xff', '9', '(', '\'', '-', 'L', '}'}) {
        std::string changed = bytes;
        changed[i] = value;
        const auto array = ParseNpy(changed);
        if (!array.ok()) continue;
        EXPECT_EQ(static_cast<int64_t>(array->data.size()), *tensor::ByteCount(array->dtype, array->shape));
      }
    }
  }
}

TEST(NpyTest, RefusesBadHeaders) {
  const std::string data(24, '\0');
  const char* kBad[] = {
      "",
      "{",
      "{}",
      "{'descr': '<f4'}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (6,)",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (6)} x",
      "{'descr': '<f4', 'fortran_order': 0, 'shape': (6,)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (-6,)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (6.0,)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': 6}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 8)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (6,), 'shape': (6,)}",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (6,), 'more': 1}",
      "{'descr': '', 'fortran_order': False, 'shape': (6,)}",
      "{'descr': '<', 'fortran_order': False, 'shape': (6,)}",
      "{'descr': 'f4', 'fortran_order': False, 'shape': (6,)}",
      "{'descr': '<f4",
  };
  for (const char* header : kBad) {
    EXPECT_FALSE(ParseNpy(File(header, data)).ok()) << header;
  }
  std::string deep = "{'descr': '<f4', 'fortran_order': False, 'shape': (";
  for (int i = 0; i < 100; ++i) deep += "1, ";
  EXPECT_THAT(ErrorOf(File(deep + ")}", std::string(4, '\0'))), HasSubstr("32 dimensions"));
}

TEST(NpyTest, RefusesAHeaderThatClaimsTooMuch) {
  const std::string bytes("\x93NUMPY\x02\x00\xff\xff\xff\xff", 12);
  EXPECT_THAT(ErrorOf(bytes), HasSubstr("claims 4294967295 bytes"));
}

TEST(NpyTest, ReadsHeadersThatPython2Wrote) {
  const Array array =
      ParseOrDie(File("{'shape': (2L, 1L), 'fortran_order': True, 'descr': '|u1'}\n", std::string("\x07\x08")));
  EXPECT_EQ(Values(array), (std::vector<double>{7, 8}));
}

TEST(NpyTest, NotANumpyFile) {
  EXPECT_THAT(ErrorOf("hello"), HasSubstr("does not start with"));
  EXPECT_THAT(ErrorOf(std::string("\x93NUMPY\x09\x00\x00\x00", 10)), HasSubstr("version 9"));
}

}  // namespace
}  // namespace torchferry::client
