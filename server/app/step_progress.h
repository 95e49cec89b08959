// How far a long work is, on stderr: a line that is drawn again on a terminal, a line for each step elsewhere.
#pragma once

#include <cstdint>
#include <string>

#include "server/base/clock.h"
#include "server/base/loop_thread.h"
#include "server/base/mutex.h"

namespace torchferry::app {

// "[######--------------]  30 %  resnet18/1 (2 of 3), 4.0 s". `share` is of all steps, from 0 to 1. Pure.
std::string ProgressLine(double share, const std::string& step, int number, int all, double seconds);

// The share of all steps that is done when `number` is running, from 1, and has taken `seconds` of about `expected`.
// One that takes longer than that does not get beyond its end. Pure.
double ProgressShare(int number, int all, double seconds, double expected);

class StepProgress {
 public:
  // `work`: what is done in each step, as in "tuning". `expected_seconds`: what a step takes, about; 0: nobody knows.
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
