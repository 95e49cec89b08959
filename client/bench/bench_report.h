// What `bench` found, as people and as scripts read it.
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
  int64_t rows = 1;  // of a request
  BenchPlan plan;
  std::optional<std::chrono::milliseconds> timeout;
  bool was_interrupted = false;
  std::vector<Step> steps;  // those that were begun
};

// A line on what was asked; a table of the latencies and one of what the server said, a row for each step; the errors;
// and the last step's histogram, or each step's.
std::string BenchText(const BenchReport& report, bool all_histograms, const Console& console);

// One document; server/docs/guide/bench.md has its fields.
nlohmann::ordered_json BenchJson(const BenchReport& report);

}  // namespace torchferry::client
