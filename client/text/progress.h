// A line that shows the progress of long work, on terminals only.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <thread>

#include "client/text/console.h"
#include "server/base/mutex.h"

namespace torchferry::client {

// Draws nothing before half a second has passed, and nothing where `console.err` is not a terminal. Its destructor
// wipes the line.
class ProgressBar {
 public:
  ProgressBar(const Console& console, std::string what);
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void Update(uint64_t done, uint64_t all);

 private:
  using Clock = std::chrono::steady_clock;

  const Console& console_;
  const std::string what_;
  const Clock::time_point start_ = Clock::now();
  Clock::time_point drawn_ = start_;
  bool is_shown_ = false;
};

// The same for work that does not report its progress: shows what is done, and for how long already.
class ElapsedLine {
 public:
  ElapsedLine(const Console& console, std::string what);
  ~ElapsedLine();
  ElapsedLine(const ElapsedLine&) = delete;
  ElapsedLine& operator=(const ElapsedLine&) = delete;

 private:
  void Draw();

  const Console& console_;
  const std::string what_;
  base::Mutex mutex_;
  base::CondVar ended_;
  bool has_ended_ FERRY_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // only on terminals
};

// "[########------------]  40 %".
std::string ProgressText(uint64_t done, uint64_t all);

}  // namespace torchferry::client
