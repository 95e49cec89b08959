#include "client/bench/bench_report.h"
#include "server/base/status.h"

namespace torchferry::client {
namespace {

using Json = nlohmann::ordered_json;

double Ms(std::chrono::nanoseconds duration) { return std::chrono::duration<double, std::milli>(duration).count(); }

double Seconds(std::chrono::nanoseconds duration) { return std::chrono::duration<double>(duration).count(); }

// Absent numbers are null.
Json Mean(double sum, uint64_t count) { return count == 0 ? Json() : Json(sum / static_cast<double>(count)); }

Json Latencies(const LatencyHistogram& histogram) {
  Json result = Json::object();
  const auto set = [&](const char* name, std::chrono::nanoseconds value) {
    result[name] = histogram.count() == 0 ? Json() : Json(Ms(value));
  };
  set("mean", histogram.Mean());
  set("min", histogram.Min());
  set("p50", histogram.Percentile(50));
  set("p90", histogram.Percentile(90));
  set("p95", histogram.Percentile(95));
  set("p99", histogram.Percentile(99));
  set("p99_9", histogram.Percentile(99.9));
  set("max", histogram.Max());
  return result;
}

Json Counts(const TextCounts& counts) {
  Json result = Json::object();
  for (const auto& [text, count] : counts.counts()) result[text] = count;
  return result;
}

Json Server(const BenchStats& stats) {
  const ServerSums& server = stats.server();
  return {{"devices", Counts(server.devices)},
          {"mean_batch_rows", Mean(server.batch_rows, stats.ok())},
          {"mean_queue_ms", Mean(server.queue_seconds * 1e3, stats.ok())},
          {"mean_compute_ms", Mean(server.compute_seconds * 1e3, stats.ok())},
          {"fallbacks", server.fallbacks},
          {"fallback_reasons", Counts(server.fallback_reasons)}};
}

Json Errors(const BenchStats& stats) {
  Json result = Json::array();
  for (const BenchError& error : stats.errors()) {
    result.push_back({{"code", base::CodeName(error.first.code())},
                      {"count", error.count()},
                      {"message", base::MessageOf(error.first)},
                      {"latency_ms", Latencies(error.latencies)}});
  }
  return result;
}

Json Buckets(const LatencyHistogram& histogram) {
  Json result = Json::array();
  for (const auto& [from, to, count] : histogram.Buckets()) {
    result.push_back({{"from_ms", Ms(from)}, {"to_ms", Ms(to)}, {"count", count}});
  }
  return result;
}

Json StepJson(const BenchReport& report, const BenchReport::Step& step) {
  const BenchStats& stats = step.stats;
  Json result = Json::object();
  if (step.step.is_open()) {
    result["rate"] = step.step.rate;
  } else {
    result["concurrency"] = step.step.concurrency;
  }
  result["seconds"] = stats.Seconds();
  result["ok"] = stats.ok();
  result["failed"] = stats.failed();
  result["not_sent"] = stats.not_sent();
  result["requests_per_second"] = stats.AnswersPerSecond();
  result["rows_per_second"] = stats.AnswersPerSecond() * static_cast<double>(report.rows);
  result["latency_ms"] = Latencies(stats.latencies());
  if (step.step.is_open()) {
    result["send_delay_ms"] = {{"mean", Ms(stats.send_delays().Mean())}, {"max", Ms(stats.send_delays().Max())}};
  }
  result["errors"] = Errors(stats);
  result["server"] = Server(stats);
  result["histogram"] = Buckets(stats.latencies());
  return result;
}

Json Options(const BenchReport& report) {
  Json inputs = Json::array();
  for (const BenchReport::Input& input : report.inputs) {
    inputs.push_back({{"name", input.name},
                      {"dtype", Name(input.dtype)},
                      {"shape", input.shape},
                      {"generated", input.is_generated},
                      {"made_up", input.is_generated}});  // the earlier name of `generated`
  }
  Json options = {{"inputs", std::move(inputs)},
                  {"rows", report.rows},
                  {"connections", report.plan.connections},
                  {"threads", report.plan.threads},
                  {"duration_seconds", Seconds(report.plan.duration)},
                  {"warm_up_seconds", Seconds(report.plan.warm_up)},
                  {"timeout_seconds", report.timeout ? Json(Seconds(*report.timeout)) : Json()}};
  if (report.plan.is_open()) {
    options["arrivals"] = report.plan.arrivals == ArrivalKind::kPoisson ? "poisson" : "constant";
    options["max_outstanding"] = report.plan.max_outstanding;
  }
  options["seed"] = report.plan.seed;
  return options;
}

}  // namespace

Json BenchJson(const BenchReport& report) {
  Json steps = Json::array();
  for (const BenchReport::Step& step : report.steps) steps.push_back(StepJson(report, step));
  return {{"model_name", report.model_name},
          {"model_version", report.model_version},
          {"server_version", report.server_version.empty() ? Json() : Json(report.server_version)},
          {"options", Options(report)},
          {"interrupted", report.was_interrupted},
          {"steps", std::move(steps)}};
}

}  // namespace torchferry::client
