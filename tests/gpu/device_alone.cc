// What LibTorch alone does with a TorchScript file on a device: threads that copy inputs there, run forward and copy
// outputs back, in a loop, each on a stream of its own.
//   torchferry-bench-device MODEL.pt --device cuda:0 --input FP32:3,224,224 [--input INT64:128 …]
//                           [--rows 8] [--workers 1] [--seconds 2] [--runs-before 5]
// Prints a line of JSON: {device, workers, rows, runs, rows_per_second, p50_us}. The file is placed as the server does
// it, as what was traced on a CPU names the CPU. Workers share the weights, as the server's instances do.
#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <torch/script.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <functional>
#include <iostream>
#include <latch>
#include <nlohmann/json.hpp>
#include <numeric>
#include <sstream>
#include <thread>

#include "server/torch/device/device_stream.h"
#include "server/torch/graph/place_module.h"
#include "tests/gpu/device_under_test.h"

namespace torchferry::gpu {
namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  std::string path;
  std::string device = "cuda:0";
  std::vector<std::string> inputs;
  int64_t rows = 8;
  int workers = 1;
  double seconds = 2;
  int runs_before = 5;
};

// "FP32:3,224,224" with `rows` in front.
at::Tensor MakeInput(const std::string& text, int64_t rows) {
  const size_t colon = text.find(':');
  std::vector<int64_t> shape = {rows};
  std::stringstream sizes(text.substr(colon + 1));
  for (std::string size; std::getline(sizes, size, ',');) shape.push_back(std::stoll(size));
  return text.substr(0, colon) == "INT64" ? at::ones(shape, at::kLong) : at::randn(shape);
}

// Every tensor of an output, on the host.
void FetchOutputs(const c10::IValue& value) {
  if (value.isTensor()) {
    value.toTensor().to(at::kCPU);
  } else if (value.isTuple()) {
    for (const c10::IValue& element : value.toTupleRef().elements()) FetchOutputs(element);
  } else if (value.isGenericDict()) {
    for (const auto& entry : value.toGenericDict()) FetchOutputs(entry.value());
  }
}

void RunOnce(torch::jit::Module& module, const std::vector<at::Tensor>& inputs, at::Device device) {
  std::vector<c10::IValue> there;
  for (const at::Tensor& input : inputs) there.emplace_back(input.to(device));
  FetchOutputs(module.forward(std::move(there)));
}

// Microseconds of each run, for so many seconds.
std::vector<double> Repeat(const std::function<void()>& run, double seconds) {
  std::vector<double> times;
  const auto began = Clock::now();
  auto before = began;
  do {
    run();
    const auto now = Clock::now();
    times.push_back(std::chrono::duration<double, std::micro>(now - before).count());
    before = now;
  } while (before - began < std::chrono::duration<double>(seconds));
  return times;
}

nlohmann::json Measure(const Options& options) {
  const at::Device device(options.device);
  torch::jit::Module loaded = torch::jit::load(options.path, at::kCPU);
  loaded.eval();
  const libtorch::PlacedModule placed = libtorch::PlaceModule(loaded, {.device = device, .renames_cpu = true});
  libtorch::SynchronizeStream(device);
  std::vector<at::Tensor> inputs;
  for (const std::string& text : options.inputs) inputs.push_back(MakeInput(text, options.rows));
  std::vector<std::vector<double>> times(static_cast<size_t>(options.workers));
  std::latch ready(options.workers);
  std::vector<std::thread> threads;
  for (std::vector<double>& own : times) {
    threads.emplace_back([&] {
      libtorch::TorchRuntime::SetIntraOpThreads(1);
      const c10::InferenceMode mode;
      torch::jit::Module mine = placed.module;
      const libtorch::StreamLease lease(device, true);
      for (int i = 0; i < options.runs_before; ++i) RunOnce(mine, inputs, device);
      ready.arrive_and_wait();
      own = Repeat([&] { RunOnce(mine, inputs, device); }, options.seconds);
    });
  }
  for (std::thread& thread : threads) thread.join();
  double rows_per_second = 0;
  size_t runs = 0;
  for (const std::vector<double>& own : times) {
    const double rows = static_cast<double>(options.rows) * static_cast<double>(own.size());
    rows_per_second += rows * 1e6 / std::accumulate(own.begin(), own.end(), 0.0);
    runs += own.size();
  }
  const auto middle = times[0].begin() + static_cast<std::ptrdiff_t>(times[0].size() / 2);
  std::ranges::nth_element(times[0], middle);
  return {{"device", options.device},           {"workers", options.workers}, {"rows", options.rows}, {"runs", runs},
          {"rows_per_second", rows_per_second}, {"p50_us", *middle}};
}

int Main(int argc, char** argv) {
  CLI::App app("LibTorch alone, on a device");
  Options options;
  app.add_option("model", options.path)->required();
  app.add_option("--device", options.device);
  app.add_option("--input", options.inputs, "DTYPE:DIM,DIM…, FP32 or INT64")->required();
  app.add_option("--rows", options.rows);
  app.add_option("--workers", options.workers)->check(CLI::Range(1, 4));  // a device has four streams
  app.add_option("--seconds", options.seconds, "It runs once at least");
  app.add_option("--runs-before", options.runs_before, "Of each worker, that do not count");
  CLI11_PARSE(app, argc, argv);
  const auto runtime = StartRuntime(options.device);
  if (!HasDevice(*runtime, options.device)) {
    std::cerr << "this host has no " << options.device << "\n";
    return 1;
  }
  std::cout << Measure(options).dump() << std::endl;
  return 0;
}

}  // namespace
}  // namespace torchferry::gpu

int main(int argc, char** argv) {
  try {
    return torchferry::gpu::Main(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
}
