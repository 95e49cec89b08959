// A state_dict beside objects of classes that the reader does not know.
#include "server/checkpoint/foreign_value.h"

#include "server/checkpoint/checkpoint.h"
#include "server/checkpoint/reference.h"
#include "server/checkpoint/test_files.h"

namespace torchferry::checkpoint {
namespace {

using absl::StatusCode;
using ::testing::AllOf;
using testing::AsFile;
using testing::CheckpointBytes;
using testing::Choose;
using ::testing::ElementsAre;
using testing::Fails;
using testing::Global;
using ::testing::HasSubstr;
using testing::Pickle;
using testing::Str;
using testing::Tensor;
using testing::Tuple;

absl::StatusOr<std::unique_ptr<Checkpoint>> Open(const std::string& body, const DictChooser& choose = nullptr) {
  return Checkpoint::Open(AsFile(CheckpointBytes(Pickle(body))), choose);
}

std::string Instance(const std::string& state) { return Global("models", "Thing") + ")\x81" + state + "b"; }

// {"w": a tensor, "beside": `value`}
std::string WithBeside(const std::string& value) { return "}(" + Str("w") + Tensor() + Str("beside") + value + "u"; }

TEST(ForeignValueTest, ObjectsBesideTheWeightsAreSteppedOverAndNamed) {
  const std::string partial = Global("functools", "partial") + Tuple({Global("torch.nn.functional", "gelu")}) + "R" +
                              Tuple({Global("torch.nn.functional", "gelu"), ")", "}", "N"}) + "b";
  for (const std::string& value :
       {Instance("}"), partial, Global("torch.optim.adamw", "AdamW"),
        Global("_io", "BytesIO") + Tuple({Str("x")}) + "R", Global("training", "Split") + Tuple({Str("train")}) + "R",
        Instance("}" + Str("weight") + Tensor() + "s"),
        Global("collections", "defaultdict") + Tuple({partial}) + "R"}) {
    const auto opened = Open(WithBeside(value));
    ASSERT_TRUE(opened.ok()) << opened.status();
    EXPECT_EQ((*opened)->tensors().size(), 1u);
    EXPECT_THAT((*opened)->index().other_entries, ElementsAre("beside"));
    EXPECT_FALSE((*opened)->index().stepped_over.empty());
  }
  const auto nested =
      Open("}(" + Str("state_dict") + WithBeside("N") + Str("hyper_parameters") + partial + "u", Choose("state_dict"));
  ASSERT_TRUE(nested.ok()) << nested.status();
  EXPECT_THAT((*nested)->index().stepped_over, ElementsAre("functools.partial", "torch.nn.functional.gelu"));
}

TEST(ForeignValueTest, WhatMayBeATensorIsNotSteppedOver) {
  const std::string made = Global("lib", "rebuild") + Tuple({Tensor()}) + "R";
  EXPECT_THAT(Open(WithBeside(made)).status(),
              Fails(StatusCode::kInvalidArgument, AllOf(HasSubstr("\"beside\""), HasSubstr("lib.rebuild"))));
  const std::string deep = Global("lib", "rebuild") + Tuple({Tuple({"]" + Tensor() + "a"})}) + "R";
  EXPECT_THAT(Open(WithBeside(deep)).status(), Fails(StatusCode::kInvalidArgument, HasSubstr("lib.rebuild")));
  const std::string typed =
      Global("torch._tensor", "_rebuild_from_type_v2") +
      Tuple({Global("lib", "_rebuild_tensor_v2"), Global("torch", "Tensor"), Tuple({Tensor()}), "}"}) + "R";
  EXPECT_THAT(Open(WithBeside(typed)).status(),
              Fails(StatusCode::kInvalidArgument, HasSubstr("lib._rebuild_tensor_v2")));
  const std::string sharded = Global("torch.distributed._shard.sharded_tensor.api", "ShardedTensor") + ")\x81}b";
  EXPECT_THAT(Open(WithBeside(sharded)).status(),
              Fails(StatusCode::kInvalidArgument, AllOf(HasSubstr("ShardedTensor"), HasSubstr("full_state_dict"))));
}

TEST(ForeignValueTest, TheChooserHearsOfObjectsThatHoldTensors) {
  CheckpointOutline seen;
  const auto opened = Open(WithBeside(Instance("}" + Str("weight") + Tensor() + "s")),
                           [&](const CheckpointOutline& outline) -> absl::StatusOr<std::string> {
                             seen = outline;
                             return "";
                           });
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_TRUE(seen.is_flat);
  EXPECT_EQ(seen.tensors, 1u);
  ASSERT_EQ(seen.objects.size(), 1u);
  EXPECT_EQ(seen.objects[0].key, "beside");
  EXPECT_EQ(seen.objects[0].made_by, "models.Thing");
  EXPECT_EQ(seen.objects[0].tensors, 1u);
}

TEST(ForeignValueTest, OneBigObjectUnderManyNamesTakesNoSquareOfTime) {
  constexpr int kMany = 200'000;
  std::string list = "](";
  for (int i = 0; i < kMany; ++i) list += "N";
  std::string pickle = list + "eq\x01" + "0}(" + Str("w") + Tensor();
  for (int i = 0; i < kMany; ++i) {
    pickle += Str(std::to_string(i)) + Global("a", "f") + "h\x01\x85R";
  }
  EXPECT_TRUE(Open(pickle + "u").ok());
}

}  // namespace
}  // namespace torchferry::checkpoint
