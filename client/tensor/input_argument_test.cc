#include "client/tensor/input_argument.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "client/tensor/json_array.h"
#include "client/tensor/npy.h"
#include "server/base/status.h"

namespace torchferry::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

void AddInput(v1::ModelVersion* model, const std::string& name, v1::DataType dtype, const tensor::Shape& shape,
              const std::string& kind = "tensor") {
  v1::TensorSpec* spec = model->add_inputs();
  spec->set_name(name);
  spec->set_dtype(dtype);
  spec->set_has_shape(true);
  spec->mutable_shape()->Add(shape.begin(), shape.end());
  spec->set_kind(kind);
}

class InputArgumentTest : public ::testing::Test {
 protected:
  InputArgumentTest() {
    model_.set_model_name("m");
    model_.set_max_batch_size(8);
    AddInput(&model_, "frames", v1::DATA_TYPE_FP32, {-1, 3});
    AddInput(&model_, "tokens", v1::DATA_TYPE_INT64, {-1, -1});
    AddInput(&model_, "half", v1::DATA_TYPE_BF16, {-1, 2});
    AddInput(&model_, "odd:FP32", v1::DATA_TYPE_INT32, {-1});
    AddInput(&model_, "xs", v1::DATA_TYPE_UINT8, {-1, 2}, "tensor list");
  }

  absl::StatusOr<ResolvedInput> Resolve(const std::string& text) {
    absl::StatusOr<InputArgument> argument = ParseInputArgument(text, model_);
    if (!argument.ok()) return argument.status();
    name_ = argument->name;
    const InputSources sources{[this](const std::string& path) -> absl::StatusOr<std::string> {
                                 if (!files_.contains(path)) return absl::NotFoundError(path);
                                 return files_[path];
                               },
                               &random_};
    return ResolveInput(*argument, model_, sources);
  }

  ResolvedInput ResolveOrDie(const std::string& text) {
    absl::StatusOr<ResolvedInput> input = Resolve(text);
    EXPECT_TRUE(input.ok()) << text << ": " << input.status();
    return input.value_or(ResolvedInput{});
  }

  std::string ErrorOf(const std::string& text) { return base::MessageOf(Resolve(text).status()); }

  void AddNpy(const std::string& path, std::string_view json, tensor::DType dtype) {
    files_[path] = FormatNpy(*ParseJsonArray(json, dtype)).value();
  }

  v1::ModelVersion model_;
  std::map<std::string, std::string> files_;
  std::mt19937_64 random_{1};
  std::string name_;
};

TEST_F(InputArgumentTest, JsonTakesTheDeclaredDType) {
  const ResolvedInput input = ResolveOrDie("frames=[[1, 2, 3]]");
  EXPECT_EQ(input.array.dtype, tensor::DType::kFp32);
  EXPECT_EQ(input.array.shape, (tensor::Shape{1, 3}));
  EXPECT_THAT(input.notes, IsEmpty());
}

TEST_F(InputArgumentTest, UndeclaredInputsTakeTheirOwnDType) {
  EXPECT_EQ(ResolveOrDie("other=[1]").array.dtype, tensor::DType::kInt64);
  EXPECT_EQ(ResolveOrDie("other=[1.5]").array.dtype, tensor::DType::kFp32);
  EXPECT_EQ(ResolveOrDie("other:FP64=[1]").array.dtype, tensor::DType::kFp64);
  EXPECT_EQ(name_, "other");
}

TEST_F(InputArgumentTest, AWrittenDTypeWinsOverTheDeclaredOne) {
  EXPECT_EQ(ResolveOrDie("frames:FP64=[[1, 2, 3]]").array.dtype, tensor::DType::kFp64);
}

TEST_F(InputArgumentTest, ADeclaredNameMayLookLikeADType) {
  EXPECT_EQ(ResolveOrDie("odd:FP32=[1]").array.dtype, tensor::DType::kInt32);
  EXPECT_EQ(name_, "odd:FP32");
  EXPECT_EQ(ResolveOrDie("not:a:dtype=[1]").array.dtype, tensor::DType::kInt64);
  EXPECT_EQ(name_, "not:a:dtype");
}

TEST_F(InputArgumentTest, ElementsOfATensorListTakeItsDeclaration) {
  EXPECT_EQ(ResolveOrDie("xs__1=[[1, 2]]").array.dtype, tensor::DType::kUint8);
}

TEST_F(InputArgumentTest, AddsAMissingBatchDimensionAndSaysSo) {
  const ResolvedInput input = ResolveOrDie("frames=[1, 2, 3]");
  EXPECT_EQ(input.array.shape, (tensor::Shape{1, 3}));
  EXPECT_THAT(input.notes, ElementsAre("added the batch dimension: [1, 3]"));
  EXPECT_EQ(ResolveOrDie("frames=random[3]").array.shape, (tensor::Shape{1, 3}));
}

TEST_F(InputArgumentTest, LeavesOtherShapesForTheServer) {
  EXPECT_EQ(ResolveOrDie("frames=[1, 2]").array.shape, (tensor::Shape{2}));
  model_.set_max_batch_size(0);
  EXPECT_EQ(ResolveOrDie("frames=[1, 2, 3]").array.shape, (tensor::Shape{3}));
}

TEST_F(InputArgumentTest, CastsNumpysDefaultDTypeAndSaysSo) {
  AddNpy("x.npy", "[[1, 2, 3]]", tensor::DType::kFp64);
  const ResolvedInput input = ResolveOrDie("frames=@x.npy");
  EXPECT_EQ(input.array.dtype, tensor::DType::kFp32);
  EXPECT_THAT(input.notes, ElementsAre("cast float64 → FP32"));
}

TEST_F(InputArgumentTest, RefusesACastThatLoses) {
  AddNpy("x.npy", "[[1.5]]", tensor::DType::kFp64);
  EXPECT_THAT(ErrorOf("tokens=@x.npy"), HasSubstr("input tokens: cast float64 → INT64: element [0, 0]: 1.5 is not"));
}

TEST_F(InputArgumentTest, Bf16ComesFromFloat32OrFromItsBits) {
  AddNpy("f.npy", "[[1, -2]]", tensor::DType::kFp32);
  const ResolvedInput cast = ResolveOrDie("half=@f.npy");
  EXPECT_THAT(cast.notes, ElementsAre("cast float32 → BF16"));
  AddNpy("u.npy", "[[16256, 49152]]", tensor::DType::kUint16);
  const ResolvedInput bits = ResolveOrDie("half=@u.npy");
  EXPECT_EQ(bits.array.dtype, tensor::DType::kBf16);
  EXPECT_EQ(bits.array.data, cast.array.data);
  EXPECT_THAT(bits.notes, ElementsAre("took uint16 as the bits of BF16"));
}

TEST_F(InputArgumentTest, ReadsJsonFiles) {
  files_["x.json"] = "[[1, 2, 3]]\n";
  EXPECT_EQ(ResolveOrDie("frames=@x.json").array.dtype, tensor::DType::kFp32);
}

TEST_F(InputArgumentTest, NamesTheFileThatCannotBeUsed) {
  files_["bad.npy"] = "hello";
  EXPECT_THAT(ErrorOf("frames=@bad.npy"), HasSubstr("input frames: bad.npy: not a usable .npy"));
  EXPECT_THAT(ErrorOf("frames=@none.npy"), HasSubstr("none.npy"));
}

TEST_F(InputArgumentTest, RandomFillsTheDeclaredShape) {
  const ResolvedInput input = ResolveOrDie("frames=random");
  EXPECT_EQ(input.array.dtype, tensor::DType::kFp32);
  EXPECT_EQ(input.array.shape, (tensor::Shape{1, 3}));
  EXPECT_EQ(ResolveOrDie("frames=random[4,3]").array.shape, (tensor::Shape{4, 3}));
  const ResolvedInput whole = ResolveOrDie("tokens=random[2, 50]");
  EXPECT_EQ(whole.array.dtype, tensor::DType::kInt64);
  for (int64_t i = 0; i < 100; ++i) {
    const int64_t value = std::get<int64_t>(GetElement(whole.array, i));
    EXPECT_TRUE(value >= 0 && value <= 9);
  }
}

TEST_F(InputArgumentTest, RandomSaysWhatIsMissing) {
  EXPECT_THAT(ErrorOf("tokens=random"), HasSubstr("tokens=random[1,8]"));
  EXPECT_THAT(ErrorOf("other=random"), HasSubstr("m takes frames, tokens, half"));
  EXPECT_THAT(ErrorOf("frames=random[x]"), HasSubstr("is not random or random[2,3]"));
  EXPECT_THAT(ErrorOf("frames=random3"), HasSubstr("is not random or random[2,3]"));
  EXPECT_THAT(ErrorOf("frames=random[-1,3]"), HasSubstr("negative dimension"));
  std::string sizes = "1";
  for (int i = 0; i < 100'000; ++i) sizes += ",1";
  EXPECT_THAT(ErrorOf("frames=random[" + sizes + "]"), HasSubstr("100001 dimensions, expected at most 64"));
  EXPECT_THAT(ErrorOf("frames=random[1000000,1000000]"), HasSubstr("more than a message holds"));
}

TEST_F(InputArgumentTest, RandomKnowsScalarArguments) {
  v1::TensorSpec* spec = model_.add_inputs();
  spec->set_name("rate");
  spec->set_kind("int");
  const ResolvedInput input = ResolveOrDie("rate=random");
  EXPECT_EQ(input.array.dtype, tensor::DType::kInt64);
  EXPECT_EQ(input.array.shape, (tensor::Shape{}));
}

TEST_F(InputArgumentTest, SaysWhatAnInputLooksLike) {
  for (const char* text : {"", "frames", "=1"}) {
    EXPECT_THAT(ErrorOf(text), HasSubstr("is not NAME=")) << text;
  }
  EXPECT_THAT(ErrorOf("frames=hello"), HasSubstr("input frames: the value is @FILE.npy, random"));
  EXPECT_THAT(ErrorOf("frames="), HasSubstr("not JSON"));
}

}  // namespace
}  // namespace torchferry::client
