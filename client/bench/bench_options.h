// The values of the flags of `bench`, not yet checked (bench_plan.h, bench_inputs.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace torchferry::client {

struct BenchOptions {
  std::string model;                  // MODEL[:VERSION]
  std::vector<std::string> inputs;    // NAME[:DTYPE]=VALUE; inputs that are not given are generated
  std::vector<std::string> shapes;    // NAME:3,224,224, without the batch dimension
  std::optional<int64_t> rows;        // of a generated input; absent: 1
  std::string concurrency;            // "1,4,16"; empty: 1, unless there is a rate
  std::string rate;                   // "100,200": requests a second
  std::string arrivals = "constant";  // or "poisson"
  int64_t max_outstanding = 10000;
  double duration_seconds = 5;  // of each step
  double warm_up_seconds = 1;   // before each step
  int64_t connections = 1;
  int64_t threads = 1;           // threads that wait for answers; the connections are spread over them
  std::optional<uint64_t> seed;  // for generated inputs and poisson
  bool histogram = false;        // draw one for each step, not only for the last
};

}  // namespace torchferry::client
