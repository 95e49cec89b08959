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
  EXPECT_EQ(PartHint("m/1/best-of-2.pt"), "");
  EXPECT_EQ(PartHint("model.pt"), "");
}

}  // namespace
}  // namespace torchferry::plan
