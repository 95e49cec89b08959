#include "server/plan/file_name_hints.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace torchferry::plan {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Strings = std::vector<std::string>;

TEST(FileNameHintsTest, ANameThatContradictsTheFileIsToldOf) {
  EXPECT_THAT(FileNameHints("m/1/x_gpu.pth", Strings{"cpu"}, Strings{"FP32"}),
              ElementsAre(AllOf(HasSubstr("says cuda"), HasSubstr("saved with cpu"))));
  EXPECT_THAT(FileNameHints("x-CPU.FP16.pt", Strings{"cuda:1"}, Strings{"FP32", "INT64"}),
              ElementsAre(HasSubstr("says cpu"), AllOf(HasSubstr("says FP16"), HasSubstr("FP32, INT64"))));
}

TEST(FileNameHintsTest, AllElseIsNot) {
  EXPECT_THAT(FileNameHints("x_gpu_half.pth", Strings{"cuda:0"}, Strings{"FP16"}), IsEmpty());
  EXPECT_THAT(FileNameHints("gpu/1/model.pt", Strings{"cpu"}, Strings{"FP32"}), IsEmpty());
  EXPECT_THAT(FileNameHints("gputest_cpus.pt", Strings{"cpu"}, Strings{"FP32"}), IsEmpty());
  // safetensors say no device.
  EXPECT_THAT(FileNameHints("x_gpu.safetensors", Strings{}, Strings{"FP32"}), IsEmpty());
}

TEST(PartHintTest, OnePartOfSeveralIsToldOf) {
  EXPECT_THAT(PartHint("m/1/model-00002-of-00003.safetensors"), HasSubstr("part 2 of 3"));
  EXPECT_THAT(PartHint("m-1-of-2/1/consolidated-1-of-2"), HasSubstr("part 1 of 2"));
  EXPECT_EQ(PartHint("m-1-of-2/1/model.pt"), "");
  EXPECT_EQ(PartHint("m/1/best-of-2.pt"), "");
  EXPECT_EQ(PartHint("model.pt"), "");
}

TEST(CompleteSetTest, AllPartsOfOneModelAndNoOther) {
  EXPECT_THAT(CompleteSet(Strings{"m-2-of-2.bin", "config.json", "m-1-of-2.bin"}),
              ElementsAre("m-1-of-2.bin", "m-2-of-2.bin"));
  for (const Strings& names : {Strings{}, Strings{"model.pt"}, Strings{"m-2-of-2.bin"},
                               Strings{"m-1-of-2.bin", "n-2-of-2.bin"}, Strings{"m-1-of-2.bin", "m-2-of-2.pt"},
                               Strings{"m-1-of-2.bin", "m-01-of-2.bin"}, Strings{"m-0-of-2.bin", "m-1-of-2.bin"},
                               Strings{"m-1-of-2.bin", "m-2-of-2.bin", "m-2-of-3.bin"}, Strings{"m-0-of-0.bin"}}) {
    EXPECT_THAT(CompleteSet(names), IsEmpty());
  }
}

}  // namespace
}  // namespace torchferry::plan
