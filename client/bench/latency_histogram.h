// Counts durations in buckets whose width grows with the value. Memory is bounded, and the error is a share of the
// value. Each doubling has 128 buckets, as in HdrHistogram.
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

namespace torchferry::client {

// Takes about 60 KiB, whatever is added. Not thread-safe.
class LatencyHistogram {
 public:
  using Duration = std::chrono::nanoseconds;

  struct Bucket {
    Duration from;  // inclusive
    Duration to;    // exclusive
    uint64_t count;
  };

  LatencyHistogram();

  // A value below 0 counts as 0.
  void Add(Duration value);
  void Merge(const LatencyHistogram& other);

  uint64_t count() const { return count_; }
  // Exact; 0 when it is empty.
  Duration Mean() const;
  Duration Min() const;
  Duration Max() const { return max_; }
  // The smallest value that at least `percent` of all values do not exceed, within 0.5 %. `percent` is above 0 and at
  // most 100. 0 when it is empty.
  Duration Percentile(double percent) const;

  // The buckets that are not empty, in ascending order.
  std::vector<Bucket> Buckets() const;

 private:
  std::vector<uint64_t> counts_;
  uint64_t count_ = 0;
  double sum_ = 0;  // in nanoseconds
  Duration min_ = Duration::max();
  Duration max_ = Duration::zero();
};

}  // namespace torchferry::client
