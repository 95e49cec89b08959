#include "server/torch/device/model_messages.h"

#include <c10/util/Exception.h>
#include <torch/csrc/jit/runtime/print_handler.h>

#include <algorithm>
#include <array>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "server/base/clock.h"
#include "server/base/line_budget.h"
#include "server/base/logging.h"
#include "server/base/mutex.h"
#include "server/base/running_model.h"

namespace torchferry::libtorch {
namespace {

constexpr size_t kMaxTextBytes = 1000;  // of one message
constexpr uint64_t kMaxLines = 20;      // of one model in kStretch
constexpr base::Duration kStretch = std::chrono::seconds(10);
constexpr size_t kBudgets = 64;  // models share them when they are more

class Messages {
 public:
  static Messages& Get() {
    static auto* messages = new Messages;  // models may speak until the process ends
    return *messages;
  }

  void Log(base::LogLevel level, std::string_view what, std::string_view text) {
    const std::string_view model = base::RunningModel::Name();
    const std::optional<uint64_t> dropped = Take(model);
    if (!dropped.has_value()) return;
    while (text.ends_with('\n')) text.remove_suffix(1);
    std::string shown(text.substr(0, kMaxTextBytes));
    if (shown.size() < text.size()) shown += fmt::format("… ({} bytes)", text.size());
    if (*dropped > 0) {
      base::Log(level, what, {{"model", model}, {"text", shown}, {"dropped_before", *dropped}});
    } else {
      base::Log(level, what, {{"model", model}, {"text", shown}});
    }
  }

 private:
  std::optional<uint64_t> Take(std::string_view model) {
    const base::MutexLock lock(mutex_);
    std::optional<base::LineBudget>& budget = budgets_[std::hash<std::string_view>()(model) % kBudgets];
    if (!budget.has_value()) budget.emplace(kMaxLines, kStretch);
    return budget->Take(base::Clock::Real().Now());
  }

  base::Mutex mutex_;
  std::array<std::optional<base::LineBudget>, kBudgets> budgets_ FERRY_GUARDED_BY(mutex_);
};

class WarningsToLog final : public c10::WarningHandler {
 public:
  void process(const c10::Warning& warning) override {
    Messages::Get().Log(base::LogLevel::kWarning, "model warned", warning.msg());
  }
};

}  // namespace

void TakePrints() {
  torch::jit::setPrintHandler(
      [](const std::string& text) { Messages::Get().Log(base::LogLevel::kInfo, "model printed", text); });
}

void TakeWarnings() {
  static auto* handler = new WarningsToLog;
  c10::WarningUtils::set_warning_handler(handler);
}

}  // namespace torchferry::libtorch
