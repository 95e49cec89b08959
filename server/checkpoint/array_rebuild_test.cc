// Arrays that NumPy did not write; those that it did are in checkpoint_test.cc.
#include "server/checkpoint/array_rebuild.h"

#include "server/checkpoint/limits.h"
#include "server/checkpoint/test_files.h"

namespace torchferry::checkpoint {
namespace {

using absl::StatusCode;
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
using testing::Tuple;

struct ArraySpec {
  std::string shape = Tuple({Int(2)});
  std::string type = "f4";
  std::string order = "<";
  std::string bytes = "B" + Bytes(8, 4) + std::string(8, '\x01');
};

std::string Array(const ArraySpec& spec = {}) {
  const std::string type = Global("numpy", "dtype") + Tuple({Str(spec.type), "\x89", "\x88"}) + "R" +
                           Tuple({Int(3), Str(spec.order), "N", "N", "N", Int(-1), Int(-1), Int(0)}) + "b";
  return Global("numpy._core.multiarray", "_reconstruct") +
         Tuple({Global("numpy", "ndarray"), Tuple({Int(0)}), Str("b")}) + "R" +
         Tuple({Int(1), spec.shape, type, "\x89", spec.bytes}) + "b";
}

absl::StatusOr<std::unique_ptr<Checkpoint>> Open(const std::string& body) {
  return Checkpoint::Open(AsFile(CheckpointBytes(Pickle(body))));
}

TEST(ArrayRebuildTest, AnArrayMustBeWhatItSays) {
  EXPECT_TRUE(Open(Dict("w", Array())).ok()) << Open(Dict("w", Array())).status();
  const auto expect_loss = [](const ArraySpec& spec, const std::string& message) {
    EXPECT_THAT(Open(Dict("w", Array(spec))).status(), Fails(StatusCode::kDataLoss, HasSubstr(message)));
  };
  expect_loss({.shape = Tuple({Int(3)})}, "is an array [3] of 12 bytes, and has 8");
  expect_loss({.shape = Tuple({Int(-2)})}, "no size");
  expect_loss({.shape = "N"}, "no tuple");
  expect_loss({.shape = Tuple({Int(int64_t{1} << 62), Int(int64_t{1} << 62)})}, "tensor \"w\"");
  expect_loss({.bytes = Int(8)}, "its bytes are a int");
  expect_loss({.bytes = Global("_codecs", "encode") + Tuple({Str("\xe2\x82\xac"), Str("latin1")}) + "R"},
              "characters beyond 255");
}

TEST(ArrayRebuildTest, WhatATensorCannotHoldIsNoArray) {
  for (const std::string type : {"O8", "U1", "M8", "V4", "f16"}) {
    const auto opened = Open("}(" + Str("w") + Tensor() + Str("a") + Array({.type = type}) + "u");
    ASSERT_TRUE(opened.ok()) << opened.status();
    EXPECT_THAT((*opened)->index().other_entries, ::testing::ElementsAre("a")) << type;
  }
}

TEST(ArrayRebuildTest, ArraysMakeNoStateDictWhereThereAreTensors) {
  const auto opened = Open("}(" + Str("model") + Dict("w", Tensor()) + Str("state") + Dict("key", Array()) + "u");
  EXPECT_THAT(opened.status(), Fails(StatusCode::kInvalidArgument, HasSubstr("dicts under \"model\";")));
}

TEST(ArrayRebuildTest, BytesThatManyArraysShareAreCountedForEach) {
  // The bytes are memo entry 1; the arrays are as many as it takes.
  constexpr uint64_t kSize = uint64_t{1} << 20;
  std::string pickle =
      "}(" + Str("a") +
      Array({.shape = Tuple({Int(kSize / 4)}), .bytes = "B" + Bytes(kSize, 4) + std::string(kSize, '\0') + "q\x01"});
  for (uint64_t i = 0; i < limits::kMaxArrayBytes / kSize; ++i) {
    pickle += Str(std::to_string(i)) + Array({.shape = Tuple({Int(kSize / 4)}), .bytes = "h\x01"});
  }
  EXPECT_THAT(Open(pickle + "u").status(), Fails(StatusCode::kDataLoss, HasSubstr("NumPy arrays take more than")));
}

}  // namespace
}  // namespace torchferry::checkpoint
