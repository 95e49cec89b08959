#include "client/progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <ostream>
#include <utility>

#include "client/text.h"

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

std::string ProgressText(uint64_t done, uint64_t all) {
  const double share = all == 0 ? 1.0 : std::min(1.0, static_cast<double>(done) / static_cast<double>(all));
  const auto filled = static_cast<size_t>(share * kCells);
  return fmt::format("[{}{}] {:3.0f} %", std::string(filled, '#'), std::string(kCells - filled, '-'), share * 100);
}

}  // namespace torchferry::client
