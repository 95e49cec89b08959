// What LibTorch alone does with a TorchScript file: threads that run forward in a loop, each with its own intra-op
// threads.
//   torchferry-bench-libtorch MODEL.pt --input FP32:3,224,224 [--input INT64:128 …] [--variants plain,frozen,…]
//   [--splits 2x1,1x2]
//                             [--rows 1,2,4] [--seconds 1] [--precision FP32|BF16] [--runs-before 3]
// Prints a line of JSON for each combination: {variant, workers, threads, rows, rows_per_second, p50_us, switches}.
// p50_us is the first worker's; switches are voluntary context switches a run, of all threads. Inputs are random, made
// once; rows come first. Variants: plain; frozen (torch::jit::freeze); inference (torch::jit::optimize_for_inference);
// channels_last (frozen, weights with four dimensions in that order). BF16: floating weights and inputs cast.
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>
#include <sys/resource.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/script.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <iostream>
#include <latch>
#include <nlohmann/json.hpp>
#include <numeric>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using torch::jit::Module;

struct Split {
  int workers;
  int threads;
};

struct Result {
  double rows_per_second = 0;
  double p50_us = 0;
  double switches = 0;  // a run
};

// Of this process so far.
int64_t VoluntarySwitches() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_nvcsw;
}

std::vector<std::string> Parts(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::stringstream in(text);
  for (std::string part; std::getline(in, part, separator);) parts.push_back(part);
  return parts;
}

// "FP32:3,224,224" with `rows` in front.
at::Tensor MakeInput(const std::string& text, int64_t rows, bool bf16) {
  const std::string dtype = text.substr(0, text.find(':'));
  std::vector<int64_t> shape = {rows};
  for (const std::string& dim : Parts(text.substr(text.find(':') + 1), ',')) shape.push_back(std::stoll(dim));
  if (dtype == "INT64") return at::ones(shape, at::kLong);
  const at::Tensor values = at::randn(shape);
  return bf16 ? values.to(at::kBFloat16) : values;
}

void CastWeights(Module& module) {
  for (at::Tensor tensor : module.parameters()) tensor.set_data(tensor.to(at::kBFloat16));
  for (at::Tensor tensor : module.buffers()) {
    if (tensor.is_floating_point()) tensor.set_data(tensor.to(at::kBFloat16));
  }
}

Module MakeVariant(const std::string& path, const std::string& variant, bool bf16) {
  Module module = torch::jit::load(path, at::kCPU);
  module.eval();
  const at::NoGradGuard no_grad;
  if (bf16) CastWeights(module);
  if (variant == "plain") return module;
  if (variant == "frozen") return torch::jit::freeze(module);
  if (variant == "inference") return torch::jit::optimize_for_inference(module);
  if (variant != "channels_last") throw std::runtime_error("unknown variant " + variant);
  for (at::Tensor tensor : module.parameters()) {
    if (tensor.dim() == 4) tensor.set_data(tensor.contiguous(at::MemoryFormat::ChannelsLast));
  }
  return torch::jit::freeze(module);
}

// Microseconds of each run, for so many seconds.
std::vector<double> Repeat(Module& module, const std::vector<c10::IValue>& inputs, double seconds) {
  std::vector<double> times;
  const auto began = Clock::now();
  auto before = began;
  do {
    module.forward(inputs);
    const auto now = Clock::now();
    times.push_back(std::chrono::duration<double, std::micro>(now - before).count());
    before = now;
  } while (before - began < std::chrono::duration<double>(seconds));
  return times;
}

Result Run(const Module& module, const std::vector<c10::IValue>& inputs, int64_t rows, Split split, double seconds,
           int runs_before) {
  std::latch ready(split.workers);
  std::atomic<int64_t> switches_before{0};
  std::vector<std::vector<double>> times(static_cast<size_t>(split.workers));
  std::vector<std::thread> threads;
  for (size_t worker = 0; worker < times.size(); ++worker) {
    threads.emplace_back([&, worker] {
      at::get_num_threads();
      at::set_num_threads(split.threads);
      const c10::InferenceMode mode;
      Module mine = module;
      for (int i = 0; i < runs_before; ++i) mine.forward(inputs);
      ready.arrive_and_wait();
      if (worker == 0) switches_before = VoluntarySwitches();
      times[worker] = Repeat(mine, inputs, seconds);
    });
  }
  for (std::thread& thread : threads) thread.join();
  const auto switches = static_cast<double>(VoluntarySwitches() - switches_before);
  Result result;
  double runs = 0;
  for (const std::vector<double>& own : times) {
    const auto count = static_cast<double>(own.size());
    runs += count;
    result.rows_per_second += static_cast<double>(rows) * count * 1e6 / std::accumulate(own.begin(), own.end(), 0.0);
  }
  result.switches = switches / runs;
  const auto middle = times[0].begin() + static_cast<std::ptrdiff_t>(times[0].size() / 2);
  std::ranges::nth_element(times[0], middle);
  result.p50_us = *middle;
  return result;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("LibTorch alone");
  std::string path;
  std::string precision = "FP32";
  std::vector<std::string> input_texts;
  std::string variants = "plain,frozen,inference,channels_last";
  std::string splits = "2x1,1x2";
  std::string rows = "1,2,4,8,16";
  double seconds = 1;
  int runs_before = 3;
  app.add_option("model", path)->required();
  app.add_option("--input", input_texts, "DTYPE:DIM,DIM…, FP32 or INT64")->required();
  app.add_option("--variants", variants);
  app.add_option("--splits", splits, "WORKERSxTHREADS,…");
  app.add_option("--rows", rows);
  app.add_option("--seconds", seconds, "For each combination; it runs once at least");
  app.add_option("--runs-before", runs_before, "Of each worker, that do not count");
  app.add_option("--precision", precision)->check(CLI::IsMember({"FP32", "BF16"}));
  CLI11_PARSE(app, argc, argv);
  const bool bf16 = precision == "BF16";
  for (const std::string& variant : Parts(variants, ',')) {
    const Module module = MakeVariant(path, variant, bf16);
    for (const std::string& count : Parts(rows, ',')) {
      std::vector<c10::IValue> inputs;
      for (const std::string& text : input_texts) inputs.emplace_back(MakeInput(text, std::stoll(count), bf16));
      for (const std::string& text : Parts(splits, ',')) {
        const Split split{std::stoi(text.substr(0, text.find('x'))), std::stoi(text.substr(text.find('x') + 1))};
        const Result result = Run(module, inputs, std::stoll(count), split, seconds, runs_before);
        std::cout << nlohmann::json{{"variant", variant},
                                    {"workers", split.workers},
                                    {"threads", split.threads},
                                    {"rows", std::stoll(count)},
                                    {"rows_per_second", result.rows_per_second},
                                    {"p50_us", result.p50_us},
                                    {"switches", result.switches}}
                         .dump()
                  << std::endl;
      }
    }
  }
}
