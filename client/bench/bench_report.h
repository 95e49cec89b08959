// The results of `bench`, as text for people and as JSON for scripts.
#pragma once

#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "client/bench/bench_plan.h"
#include "client/bench/bench_stats.h"
#include "client/text/console.h"
#include "server/tensor/dtype.h"
#include "server/tensor/shape.h"

namespace torchferry::client {

struct BenchReport {
  struct Input {
    std::string name;
    tensor::DType dtype;
    tensor::Shape shape;
    bool is_generated;
  };
  struct Step {
    BenchStep step;
    BenchStats stats;
  };

  std::string model_name;
  int64_t model_version = 0;
  std::string server_version;  // empty: unknown
  std::vector<Input> inputs;
  int64_t rows = 1;  // of each request
  BenchPlan plan;
  std::optional<std::chrono::milliseconds> timeout;
  bool was_interrupted = false;
  std::vector<Step> steps;  // the steps that have begun
};

// The text has a line about the request, a table of the latencies and one of the server's figures. Both tables have a
// row for each step. The errors follow, and the last step's histogram, or each step's.
std::string BenchText(const BenchReport& report, bool all_histograms, const Console& console);

// One document. server/docs/guide/bench.md lists its fields.
nlohmann::ordered_json BenchJson(const BenchReport& report);

}  // namespace torchferry::client
