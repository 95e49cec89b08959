// The state of a search for the fastest way to run one version. It makes and measures what plan/tuning_search.h asks
// for.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "server/plan/tuning_record.h"
#include "server/plan/tuning_search.h"
#include "server/torch/load/throughput.h"
#include "server/torch/load/tuning_variants.h"

namespace torchferry::libtorch {

// See MeasureThroughput.
using Measurement = std::function<absl::StatusOr<Throughput>(
    model::Model& model, std::span<const tensor::BoundInputs* const> requests, const Load& load)>;

struct TunerOptions {
  int processors = 1;  // that all workers together may use
  int workers = 0;     // at the same time, on an accelerator; 0: the CPU, with processors / threads workers
  Measurement measure = &MeasureThroughput;
};

// Not thread-safe.
class Tuner {
 public:
  // `start` as in TuningSearch.
  Tuner(TunerOptions options, plan::TuningSpace space, TuningVariants variants,
        std::optional<plan::TuningPoint> start = std::nullopt);

  // Searches while `has_time` is true. It is called before each look, with the seconds that the last pass took.
  std::optional<plan::TuningResult> Search(const std::function<bool(double)>& has_time);

  // The next question to look at. Nothing: enough was seen, or the device has failed.
  std::optional<plan::TuningQuestion> Next() const;
  // Nothing: that way does not run, or takes too long.
  std::optional<plan::TuningLook> LookAt(const plan::TuningQuestion& question);

  // Max rows of a batch that runs as `point` says, estimated from the times of the row counts that were tried.
  int64_t MaxRows(plan::TuningPoint point) const;

  // See TuningVariants.
  std::shared_ptr<model::Model> ModelOf(const std::string& variant) {
    return variants_.ModelOf(variant, kComparedRows);
  }

  plan::TuningSearch& search() { return search_; }
  const plan::TuningSpace& space() const { return space_; }
  TuningVariants& variants() { return variants_; }

 private:
  // Max rows of the batches whose outputs are compared.
  static constexpr int64_t kComparedRows = 2;

  Load LoadOf(const plan::TuningQuestion& question) const;
  bool IsTooLong(const plan::TuningPoint& point) const;

  const TunerOptions options_;
  const plan::TuningSpace space_;
  plan::TuningSearch search_;
  TuningVariants variants_;
  std::map<plan::TuningPoint, double> passes_;  // seconds of one, the shortest
  double last_pass_ = 0;
};

}  // namespace torchferry::libtorch
