// A histogram drawn with characters.
#pragma once

#include <cstddef>
#include <string>

#include "client/bench/latency_histogram.h"

namespace torchferry::client {

// Up to 12 lines "  1.00 - 1.50 ms   12.3 %  ████▌". Each range is longer than the one before by the same factor. In
// ASCII, bars are drawn with '#'. Lines have at most `width` columns if that leaves 20 for the bars. Empty when there
// is nothing to draw.
std::string HistogramText(const LatencyHistogram& histogram, bool ascii, size_t width);

}  // namespace torchferry::client
