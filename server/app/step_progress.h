// Progress of long work, on stderr: on a terminal one line that is redrawn, elsewhere a line for each step.
#pragma once

#include <cstdint>
#include <string>

#include "server/base/clock.h"
#include "server/base/loop_thread.h"
#include "server/base/mutex.h"

namespace torchferry::app {

// "[######--------------]  30 %  resnet18/1 (2 of 3), 4.0 s". `share` is the done part of all steps, from 0 to 1. Pure.
std::string ProgressLine(double share, const std::string& step, int number, int all, double seconds);

// The done share of all steps while step `number`, from 1, has run for `seconds` of about `expected`. A step that takes
// longer counts as one whole step. Pure.
double ProgressShare(int number, int all, double seconds, double expected);

class StepProgress {
 public:
  // `work`: the work of each step, as in "tuning". `expected_seconds`: the time of one step, about; 0: unknown.
  StepProgress(std::string work, int steps, double expected_seconds);
  // Wipes the line.
  ~StepProgress();
  StepProgress(const StepProgress&) = delete;
  StepProgress& operator=(const StepProgress&) = delete;

  // Begins the next step.
  void Begin(const std::string& step);

 private:
  void Draw();

  const std::string work_;
  const int steps_;
  const double expected_seconds_;
  const bool is_terminal_;
  base::Mutex mutex_;
  std::string step_ FERRY_GUARDED_BY(mutex_);
  int number_ FERRY_GUARDED_BY(mutex_) = 0;
  base::TimePoint began_ FERRY_GUARDED_BY(mutex_){};
  base::LoopThread loop_;
};

}  // namespace torchferry::app
