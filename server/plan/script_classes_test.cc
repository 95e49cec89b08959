#include "server/plan/script_classes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/base/status.h"

namespace torchferry::plan {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

checkpoint::TorchScriptInfo Script(std::vector<std::string> classes, std::string code = "class Net(Module):\n") {
  checkpoint::TorchScriptInfo script;
  script.classes = std::move(classes);
  script.code_files = {"code/__torch__/zoo.py"};
  script.code_texts = {std::move(code)};
  return script;
}

TEST(ScriptClassesTest, CodeNamesClassesOfCpp) {
  EXPECT_THAT(CppClasses("  engine : __torch__.torch.classes.tensorrt.Engine\n"
                         "  other : Optional[__torch__.torch.classes.my_lib.Thing2]\n"
                         "  again : __torch__.torch.classes.tensorrt.Engine"),
              ElementsAre("tensorrt.Engine", "my_lib.Thing2"));
  EXPECT_THAT(CppClasses("fc : __torch__.torch.nn.modules.linear.Linear"), IsEmpty());
}

TEST(ScriptClassesTest, ThoseOfLibrariesAreRefused) {
  EXPECT_TRUE(
      CheckClasses(Script({"__torch__.zoo.Net", "__torch__.torch.classes.quantized.LinearPackedParamsBase"})).ok());
  for (const checkpoint::TorchScriptInfo& script :
       {Script({"__torch__.torch.classes.tensorrt.Engine"}),
        Script({}, "class Net(Module):\n  e : __torch__.torch.classes.tensorrt.Engine\n")}) {
    const absl::Status status = CheckClasses(script);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(base::MessageOf(status), AllOf(HasSubstr("tensorrt.Engine"), HasSubstr("no library of them")));
  }
}

TEST(ScriptClassesTest, AClassThatIsNoModuleHasCodeToo) {
  EXPECT_TRUE(CheckClasses(Script({"__torch__.zoo.Where", "__torch__.zoo.Pair"},
                                  "class Where:\n  dtype : int\nclass Pair(NamedTuple):\n  a : int\n"))
                  .ok());
}

TEST(ScriptClassesTest, CodeThatIsNotThereIsDamage) {
  const absl::Status status = CheckClasses(Script({"__torch__.zoo.Net", "__torch__.zoo.Part"}));
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(base::MessageOf(status), HasSubstr("\"__torch__.zoo.Part\""));
}

}  // namespace
}  // namespace torchferry::plan
