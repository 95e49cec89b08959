#include "client/text/progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <ostream>
#include <utility>

#include "client/text/text.h"

namespace torchferry::client {
namespace {

constexpr auto kPatience = std::chrono::milliseconds(500);
constexpr auto kBetweenFrames = std::chrono::milliseconds(100);
constexpr uint64_t kCells = 20;

}  // namespace

ProgressBar::ProgressBar(const Console& console, std::string what) : console_(console), what_(std::move(what)) {}

ProgressBar::~ProgressBar() {
  if (is_shown_) console_.err << "\r\x1b[K" << std::flush;
}

void ProgressBar::Update(uint64_t done, uint64_t all) {
  const Clock::time_point now = Clock::now();
  if (!console_.is_err_terminal || now - start_ < kPatience || now - drawn_ < kBetweenFrames) return;
  drawn_ = now;
  is_shown_ = true;
  console_.err << "\r\x1b[K" << ProgressText(done, all) << "  " << Printable(what_) << std::flush;
}

ElapsedLine::ElapsedLine(const Console& console, std::string what) : console_(console), what_(std::move(what)) {
  if (console_.is_err_terminal) thread_ = std::thread([this] { Draw(); });
}

ElapsedLine::~ElapsedLine() {
  {
    base::MutexLock lock(mutex_);
    has_ended_ = true;
    ended_.NotifyAll();
  }
  if (thread_.joinable()) thread_.join();
}

void ElapsedLine::Draw() {
  const auto start = std::chrono::steady_clock::now();
  auto next = start + kPatience;
  bool is_shown = false;
  base::MutexLock lock(mutex_);
  while (!has_ended_) {
    ended_.WaitUntil(mutex_, next);
    const auto now = std::chrono::steady_clock::now();
    if (has_ended_ || now < next) continue;
    next = now + kBetweenFrames;
    is_shown = true;
    const std::chrono::duration<double> elapsed = now - start;
    console_.err << fmt::format("\r\x1b[K{}  {:.1f} s", Printable(what_), elapsed.count()) << std::flush;
  }
  if (is_shown) console_.err << "\r\x1b[K" << std::flush;
}

std::string ProgressText(uint64_t done, uint64_t all) {
  const double share = all == 0 ? 1.0 : std::min(1.0, static_cast<double>(done) / static_cast<double>(all));
  const auto filled = static_cast<size_t>(share * kCells);
  return fmt::format("[{}{}] {:3.0f} %", std::string(filled, '#'), std::string(kCells - filled, '-'), share * 100);
}

}  // namespace torchferry::client
