#include "client/bench/histogram_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>
#include <vector>

namespace torchferry::client {
namespace {

constexpr size_t kMaxLines = 12;
constexpr size_t kMinBar = 20;
constexpr size_t kMaxBar = 50;
// The narrowest range of a line, as a factor: below it lines would tell buckets of the histogram apart.
constexpr double kMinFactor = 1.05;
constexpr std::array<std::string_view, 8> kEighths = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};

struct Line {
  double from_ms;
  double to_ms;
  uint64_t count;
};

double AsMs(LatencyHistogram::Duration duration) { return std::chrono::duration<double, std::milli>(duration).count(); }

std::vector<Line> LinesOf(const LatencyHistogram& histogram) {
  const double min = std::max(AsMs(histogram.Min()), 1e-3);
  const double max = std::max(AsMs(histogram.Max()), min);
  const double spread = std::log(max / min);
  const auto wanted = static_cast<size_t>(std::ceil(spread / std::log(kMinFactor)));
  const size_t count = std::clamp(wanted, size_t{1}, kMaxLines);
  const double step = spread / static_cast<double>(count);
  std::vector<Line> lines;
  for (size_t i = 0; i < count; ++i) {
    const auto at = static_cast<double>(i);
    lines.push_back({min * std::exp(step * at), min * std::exp(step * (at + 1)), 0});
  }
  for (const auto& bucket : histogram.Buckets()) {
    const double middle = std::max((AsMs(bucket.from) + AsMs(bucket.to)) / 2, min);
    const size_t index = step > 0 ? static_cast<size_t>(std::log(middle / min) / step) : 0;
    lines[std::min(index, count - 1)].count += bucket.count;
  }
  return lines;
}

std::string Bar(double share, size_t columns, bool ascii) {
  const auto eighths = static_cast<size_t>(std::lround(share * static_cast<double>(columns * 8)));
  std::string bar;
  for (size_t i = 0; i < eighths / 8; ++i) bar += ascii ? "#" : "█";
  if (!ascii) bar += kEighths[eighths % 8];
  const bool is_small = bar.empty() && share > 0;
  return is_small ? (ascii ? "." : "▏") : bar;
}

// Three digits that say something.
int DecimalsFor(double smallest) { return smallest >= 100 ? 0 : smallest >= 10 ? 1 : smallest >= 1 ? 2 : 3; }

}  // namespace

std::string HistogramText(const LatencyHistogram& histogram, bool ascii, size_t width) {
  if (histogram.count() == 0) return "";
  const std::vector<Line> lines = LinesOf(histogram);
  uint64_t most = 0;
  for (const Line& line : lines) most = std::max(most, line.count);
  const int decimals = DecimalsFor(lines.front().from_ms);
  const size_t digits = fmt::format("{:.{}f}", lines.back().to_ms, decimals).size();
  const size_t others = 2 * digits + 19;  // what is not bar
  const size_t bar = std::clamp(width > others ? width - others : 0, kMinBar, kMaxBar);
  std::string text;
  for (const Line& line : lines) {
    const double share = static_cast<double>(line.count) / static_cast<double>(histogram.count());
    std::string row = fmt::format("  {:>{}.{}f} - {:>{}.{}f} ms  {:5.1f} %", line.from_ms, digits, decimals, line.to_ms,
                                  digits, decimals, share * 100);
    if (line.count > 0) {
      row += "  " + Bar(static_cast<double>(line.count) / static_cast<double>(most), bar, ascii);
    }
    text += row + '\n';
  }
  return text;
}

}  // namespace torchferry::client
