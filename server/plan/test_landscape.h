// Generated speeds of a model, for tests of the search.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <string>
#include <utility>

#include "server/plan/tuning_rules.h"

namespace torchferry::plan {

// Speeds that a machine could have. A model has a row count at which it is fastest, and throughput falls on both sides
// of it. Variants and threads change that count and the speed there a little. A row that runs alone has the speed of
// one worker with the way's threads. Each doubling of threads gains less.
class Landscape {
 public:
  Landscape(unsigned seed, const TuningSpace& space) : random_(seed), space_(space) {
    const double peak = Uniform(0, 5);
    const double up = Uniform(0.05, 0.5);
    const double down = Uniform(0.1, 0.5);
    const double gain = Uniform(1.0, 1.8);
    std::map<int, double> of_threads;
    for (const int threads : space_.threads) of_threads[threads] = Uniform(0.5, 1.2);
    for (const std::string& variant : space_.variants) {
      const double of_variant = Uniform(0.6, 1.4);
      gains_[variant] = gain * Uniform(0.97, 1.03);
      for (const int threads : space_.threads) {
        Hill& hill = hills_[{variant, threads}];
        hill.height = 100 * of_variant * of_threads[threads] * Uniform(0.95, 1.05);
        hill.peak = std::exp2(std::clamp(peak + Uniform(-0.5, 0.5), 0.0, 5.0));
        hill.up = up * Uniform(0.8, 1.2);
        hill.down = down * Uniform(0.8, 1.2);
      }
    }
  }

  double At(const TuningPoint& point) const {
    const Hill& hill = hills_.at({point.variant, point.threads});
    const double distance = std::log2(static_cast<double>(point.rows) / hill.peak);
    return hill.height * std::exp(distance < 0 ? hill.up * distance : -hill.down * distance);
  }

  double Alone(const TuningPoint& point) const {
    const double one = At(TuningPoint{point.variant, space_.threads.front(), point.rows}) / 2;
    return one * std::pow(gains_.at(point.variant), std::log2(point.threads));
  }

  double At(const TuningQuestion& question) const {
    return question.load == TuningLoad::kFull ? At(question.point) : Alone(question.point);
  }

  // A measured speed: work in the background costs some percent, and now and then half.
  TuningLook Measure(const TuningQuestion& question) {
    const double lost = Uniform(0, 1) < 0.05 ? 0.5 : Uniform(0, 0.06);
    return {At(question) * (1 - lost)};
  }

  // A measured speed while other processes often take half of the processors. The look says so.
  TuningLook MeasureBesideOthers(const TuningQuestion& question) {
    const bool is_disturbed = Uniform(0, 1) < 0.7;
    return {At(question) * (is_disturbed ? Uniform(0.3, 0.8) : Uniform(0.98, 1)), is_disturbed};
  }

  double Best() const {
    double best = 0;
    ForEach([&](const TuningPoint& point) { best = std::max(best, At(point)); });
    return best;
  }

  // The best speed, where more threads must gain 8 %.
  double BestWorth() const {
    double best = 0;
    ForEach([&](const TuningPoint& point) { best = std::max(best, At(point) / (point.threads > 1 ? 1.08 : 1.0)); });
    return best;
  }

  double BestAlone() const {
    double best = 0;
    ForEach([&](const TuningPoint& point) { best = std::max(best, point.rows == 1 ? Alone(point) : 0); });
    return best;
  }

 private:
  struct Hill {
    double height = 0;
    double peak = 1;
    double up = 0;  // how steep, per doubling
    double down = 0;
  };

  template <typename Visit>
  void ForEach(const Visit& visit) const {
    for (const std::string& variant : space_.variants) {
      for (const int threads : space_.threads) {
        for (const int64_t rows : space_.rows) visit(TuningPoint{variant, threads, rows});
      }
    }
  }

  double Uniform(double low, double high) { return std::uniform_real_distribution(low, high)(random_); }

  std::mt19937 random_;
  const TuningSpace space_;
  std::map<std::pair<std::string, int>, Hill> hills_;
  std::map<std::string, double> gains_;  // factor for each doubling of the threads
};

}  // namespace torchferry::plan
