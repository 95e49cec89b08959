// The table of names: every metric of the server with its help text, and the buckets of its histograms.
// Only this layer includes it.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <cstdint>
#include <string>

#include "server/base/utf8.h"

namespace torchferry::metrics {

// In seconds: from 50 µs, for a small MLP, to 30 s, for a large model on a busy CPU.
inline const prometheus::Histogram::BucketBoundaries kSecondsBuckets = {
    0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30};
inline const prometheus::Histogram::BucketBoundaries kRowsBuckets = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024};

// The labels of one version of a model. They are UTF-8, as no client accepts a page with other bytes.
inline prometheus::Labels VersionLabels(const std::string& model, int64_t version) {
  return {{"model", base::ToUtf8(model)}, {"version", std::to_string(version)}};
}

// `labels` together with `more`.
inline prometheus::Labels With(prometheus::Labels labels, const prometheus::Labels& more) {
  labels.insert(more.begin(), more.end());
  return labels;
}

// Thread-safe, as prometheus-cpp's families are. A series must not be used after it was removed.
struct Families {
  using Counters = prometheus::Family<prometheus::Counter>;
  using Gauges = prometheus::Family<prometheus::Gauge>;
  using Histograms = prometheus::Family<prometheus::Histogram>;

  explicit Families(prometheus::Registry& registry);

  Counters& requests;
  Histograms& request_duration;
  Histograms& queue_duration;
  Histograms& compute_duration;
  Histograms& batch_rows;
  Gauges& queue_depth;
  Gauges& in_flight;
  Counters& fallbacks;
  Counters& parity_checks;
  Gauges& device_up;
  Gauges& device_memory;
  Gauges& device_utilization;
  Counters& device_busy;
  Counters& calls_refused;
  Gauges& request_memory;
  Counters& memory_refusals;
  Counters& refusals;
  Gauges& model_state;
  Gauges& load_duration;
  Counters& log_lines_dropped;
  Gauges& connections;
  Counters& connections_total;
  Gauges& tls_certificate_expiry;
  Counters& tls_rotations;
  Gauges& stuck_workers;
  Gauges& stuck_loads;
  Gauges& suspect_versions;
  Gauges& last_answer_age;
  Gauges& build_info;
};

}  // namespace torchferry::metrics
