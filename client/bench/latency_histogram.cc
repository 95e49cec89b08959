#include "client/bench/latency_histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace torchferry::client {
namespace {

constexpr int kBits = 7;
constexpr uint64_t kPerDoubling = uint64_t{1} << kBits;
// Below kPerDoubling each value has a bucket; each doubling after that, up to 2^63, has kPerDoubling of them.
constexpr size_t kBuckets = kPerDoubling * (63 - kBits + 1);

size_t IndexOf(uint64_t value) {
  if (value < kPerDoubling) return value;
  const int shift = static_cast<int>(std::bit_width(value)) - 1 - kBits;
  return static_cast<size_t>(shift) * kPerDoubling + (value >> shift);
}

LatencyHistogram::Bucket BoundsOf(size_t index) {
  using Duration = LatencyHistogram::Duration;
  if (index < kPerDoubling) {
    const auto value = static_cast<int64_t>(index);
    return {Duration(value), Duration(value + 1), 0};
  }
  const auto shift = static_cast<int>(index / kPerDoubling) - 1;
  const auto first = static_cast<int64_t>((index % kPerDoubling + kPerDoubling) << shift);
  const int64_t width = int64_t{1} << shift;
  // The last bucket ends where the type does.
  return {Duration(first), Duration(first - 1 + width) + Duration(first - 1 + width < INT64_MAX), 0};
}

}  // namespace

LatencyHistogram::LatencyHistogram() : counts_(kBuckets) {}

void LatencyHistogram::Add(Duration value) {
  value = std::max(value, Duration::zero());
  ++counts_[IndexOf(static_cast<uint64_t>(value.count()))];
  ++count_;
  sum_ += static_cast<double>(value.count());
  min_ = std::min(min_, value);
  max_ = std::max(max_, value);
}

void LatencyHistogram::Merge(const LatencyHistogram& other) {
  for (size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
  count_ += other.count_;
  sum_ += other.sum_;
  min_ = std::min(min_, other.min_);
  max_ = std::max(max_, other.max_);
}

LatencyHistogram::Duration LatencyHistogram::Mean() const {
  if (count_ == 0) return Duration::zero();
  return Duration(std::llround(sum_ / static_cast<double>(count_)));
}

LatencyHistogram::Duration LatencyHistogram::Min() const { return count_ == 0 ? Duration::zero() : min_; }

LatencyHistogram::Duration LatencyHistogram::Percentile(double percent) const {
  if (count_ == 0) return Duration::zero();
  const double exact = std::ceil(percent / 100 * static_cast<double>(count_));
  const uint64_t rank = std::clamp(static_cast<uint64_t>(std::max(exact, 1.0)), uint64_t{1}, count_);
  uint64_t seen = 0;
  for (size_t i = 0; i < counts_.size(); ++i) {
    seen += counts_[i];
    if (seen < rank) continue;
    const Bucket bucket = BoundsOf(i);
    return std::clamp(bucket.from + (bucket.to - bucket.from) / 2, min_, max_);
  }
  return max_;
}

std::vector<LatencyHistogram::Bucket> LatencyHistogram::Buckets() const {
  std::vector<Bucket> buckets;
  for (size_t i = 0; i < counts_.size(); ++i) {
    if (counts_[i] == 0) continue;
    buckets.push_back(BoundsOf(i));
    buckets.back().count = counts_[i];
  }
  return buckets;
}

}  // namespace torchferry::client
