#include "client/inspect/forward_arguments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace torchferry::client {
namespace {

using ::testing::ElementsAre;

TEST(ForwardArgumentsTest, AreReadFromTheRootClass) {
  checkpoint::TorchScriptInfo script;
  script.module_class = "__torch__.zoo.Net";
  script.code_files = {"code/__torch__/other.py", "code/__torch__/zoo.py"};
  script.code_texts = {"class Net(Module):\n  def forward(self: __torch__.other.Net,\n    y: Tensor) -> Tensor:\n",
                       "class Part(Module):\n  def forward(self: __torch__.zoo.Part,\n    z: Tensor) -> Tensor:\n"
                       "class Net(Module):\n  def forward(self: __torch__.zoo.Net,\n    x: Tensor,\n"
                       "    masks: Dict[str, Tensor],\n    n: int=3) -> Tensor:\n"};
  std::vector<std::string> found;
  for (const ForwardArgument& argument : ForwardArguments(script))
    found.push_back(argument.name + ": " + argument.type);
  EXPECT_THAT(found, ElementsAre("x: Tensor", "masks: Dict[str, Tensor]", "n: int"));
  script.module_class = "__torch__.none.Net";
  EXPECT_TRUE(ForwardArguments(script).empty());
}

}  // namespace
}  // namespace torchferry::client
