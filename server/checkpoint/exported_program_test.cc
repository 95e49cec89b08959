#include "server/checkpoint/exported_program.h"

#include "server/checkpoint/test_files.h"

namespace torchferry::checkpoint {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

// torch.nn.Linear(2, 1), exported with a static batch of 1 (tests/fixtures/wrong_files.py).
std::shared_ptr<const File> LinearProgram() {
  return testing::AsFile(testing::FixtureBytes("../../../tests/fixtures/wrong/export.pt2"), "m/1/model.pt2");
}

TEST(ExportedProgramTest, IsReadWithItsSignatureAndWeights) {
  const auto names = ListPrograms(LinearProgram());
  ASSERT_TRUE(names.ok()) << names.status();
  EXPECT_THAT(*names, ElementsAre("model"));
  const auto program = ReadExportedProgram(LinearProgram(), "");
  ASSERT_TRUE(program.ok()) << program.status();
  EXPECT_TRUE(program->gives_one_tensor);
  ASSERT_THAT(program->outputs, SizeIs(1));
  EXPECT_EQ(program->outputs[0].name, "");
  EXPECT_EQ(program->inputs.size(), program->graph.inputs.size());
  EXPECT_FALSE(program->weights->tensors().empty());
  EXPECT_NE(program->samples, nullptr);
}

}  // namespace
}  // namespace torchferry::checkpoint
