#include "server/app/step_progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

namespace torchferry::app {
namespace {

constexpr int kBarWidth = 20;
constexpr base::Duration kRedraw = std::chrono::milliseconds(200);
constexpr char kWipe[] = "\r\033[K";

void Print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

}  // namespace

std::string ProgressLine(double share, const std::string& step, int number, int all, double seconds) {
  const int filled = static_cast<int>(share * kBarWidth);
  return fmt::format("[{}{}] {:3.0f} %  {} ({} of {}), {:.1f} s", std::string(static_cast<size_t>(filled), '#'),
                     std::string(static_cast<size_t>(kBarWidth - filled), '-'), share * 100, step, number, all,
                     seconds);
}

double ProgressShare(int number, int all, double seconds, double expected) {
  if (all <= 0) return 1;
  const double of_step = expected <= 0 ? 0 : std::min(seconds / expected, 1.0);
  return std::clamp((number - 1 + of_step) / all, 0.0, 1.0);
}

StepProgress::StepProgress(std::string work, int steps, double expected_seconds)
    : work_(std::move(work)),
      steps_(steps),
      expected_seconds_(expected_seconds),
      is_terminal_(isatty(STDERR_FILENO) == 1),
      loop_("progress", [this] {
        Draw();
        return base::Clock::Real().Now() + kRedraw;
      }) {
  if (is_terminal_) loop_.Start(base::Clock::Real().Now() + kRedraw);
}

StepProgress::~StepProgress() {
  loop_.Stop();
  if (is_terminal_) Print(kWipe);
}

void StepProgress::Begin(const std::string& step) {
  base::MutexLock lock(mutex_);
  step_ = step;
  ++number_;
  began_ = base::Clock::Real().Now();
  if (!is_terminal_) Print(fmt::format("{} {} ({} of {})\n", work_, step_, number_, steps_));
}

void StepProgress::Draw() {
  base::MutexLock lock(mutex_);
  if (number_ == 0) return;
  const double seconds = base::ToSeconds(base::Clock::Real().Now() - began_);
  Print(kWipe +
        ProgressLine(ProgressShare(number_, steps_, seconds, expected_seconds_), step_, number_, steps_, seconds));
}

}  // namespace torchferry::app
