#include "server/torch/device/model_messages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/runtime/print_handler.h>
#include <torch/script.h>

#include "server/base/logging.h"
#include "server/base/running_model.h"

namespace torchferry::libtorch {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class ModelMessagesTest : public ::testing::Test {
 protected:
  ModelMessagesTest() : print_before_(torch::jit::getPrintHandler()), warning_before_(nullptr) {
    TakePrints();
    TakeWarnings();
  }
  ~ModelMessagesTest() override { torch::jit::setPrintHandler(print_before_); }

  static void Run(const std::string& statement) {
    torch::jit::Module module("m");
    module.define("def forward(self, x: Tensor):\n  " + statement + "\n  return x\n");
    module.forward({torch::ones({1})});
  }

 private:
  const torch::jit::PrintHandler print_before_;
  const c10::WarningUtils::WarningHandlerGuard warning_before_;
};

TEST_F(ModelMessagesTest, PrintsAndWarningsAreLinesWithTheModelsName) {
  const base::LogCapture log(base::LogLevel::kInfo);
  const std::string name = "talker";
  const base::RunningModel for_model(name);
  Run("print(\"hello\\n\" + chr(27) + \"[31mforged line\", x.size(0))");
  Run("torch.warn(\"careful\")");
  const auto lines = log.Lines();
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_THAT(lines[0].text, AllOf(HasSubstr("model printed"), HasSubstr("model=talker"), HasSubstr("hello\\n")));
  EXPECT_EQ(lines[0].text.find('\n'), std::string::npos);
  EXPECT_EQ(lines[0].text.find('\x1b'), std::string::npos);
  EXPECT_THAT(lines[1].text, AllOf(HasSubstr("model warned"), HasSubstr("talker"), HasSubstr("careful")));
  EXPECT_EQ(lines[1].level, base::LogLevel::kWarning);
}

TEST_F(ModelMessagesTest, AFloodIsBoundedInNumberAndSize) {
  const base::LogCapture log(base::LogLevel::kInfo);
  const std::string name = "flooder";
  const base::RunningModel for_model(name);
  Run("for i in range(1000):\n    print(\"x\".ljust(100000, \"y\"))");
  const auto lines = log.Lines();
  EXPECT_LE(lines.size(), 40u);  // 20 in ten seconds, which the loop may straddle
  for (const auto& line : lines) EXPECT_LT(line.text.size(), 1200u);
}

}  // namespace
}  // namespace torchferry::libtorch
