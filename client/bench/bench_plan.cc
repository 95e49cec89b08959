#include "client/bench/bench_plan.h"

#include <charconv>
#include <cmath>
#include <optional>
#include <string>
#include <string_view>

#include "server/base/status.h"

namespace torchferry::client {
namespace {

constexpr int64_t kMaxConcurrency = 100'000;
constexpr double kMaxRate = 1e6;
constexpr int64_t kMaxConnections = 4096;
constexpr int64_t kMaxRows = 1'000'000;
constexpr double kMinSeconds = 0.01;
constexpr double kMaxSeconds = 86400;

template <typename Number>
std::optional<Number> ParseNumber(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// "1,4,16"; each above 0 and at most `max`.
template <typename Number>
absl::StatusOr<std::vector<Number>> ParseList(std::string_view flag, std::string_view text, Number max,
                                              std::string_view what) {
  std::vector<Number> numbers;
  std::string_view rest = text;
  while (true) {
    const size_t comma = rest.find(',');
    const std::optional<Number> number = ParseNumber<Number>(rest.substr(0, comma));
    if (!number || !(*number > 0 && *number <= max)) {
      return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                              "{} \"{}\": \"{}\" is not {} from above 0 to {}; several are separated by commas", flag,
                              text, rest.substr(0, comma), what, max);
    }
    numbers.push_back(*number);
    if (comma == std::string_view::npos) return numbers;
    rest.remove_prefix(comma + 1);
  }
}

absl::StatusOr<std::vector<BenchStep>> ParseSteps(const BenchOptions& options) {
  if (!options.concurrency.empty() && !options.rate.empty()) {
    return absl::InvalidArgumentError(
        "--concurrency and --rate exclude each other: as many requests in flight at any time, or as many a second");
  }
  std::vector<BenchStep> steps;
  if (!options.rate.empty()) {
    FERRY_ASSIGN_OR_RETURN(const auto rates, ParseList<double>("--rate", options.rate, kMaxRate, "a number"));
    for (const double rate : rates) steps.push_back({0, rate});
    return steps;
  }
  const std::string text = options.concurrency.empty() ? "1" : options.concurrency;
  FERRY_ASSIGN_OR_RETURN(const auto levels,
                         ParseList<int64_t>("--concurrency", text, kMaxConcurrency, "a whole number"));
  for (const int64_t level : levels) steps.push_back({level, 0});
  return steps;
}

absl::StatusOr<ArrivalKind> ParseArrivals(const std::string& text) {
  if (text == "constant") return ArrivalKind::kConstant;
  if (text == "poisson") return ArrivalKind::kPoisson;
  return base::MakeStatus(absl::StatusCode::kInvalidArgument, "--arrivals \"{}\" is not constant or poisson", text);
}

// NaN is outside.
absl::StatusOr<std::chrono::nanoseconds> Seconds(std::string_view flag, double seconds, double min) {
  if (!(seconds >= min && seconds <= kMaxSeconds)) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument, "{} {} is not from {} to {:.0f} seconds", flag, seconds,
                            min, kMaxSeconds);
  }
  return std::chrono::nanoseconds(std::llround(seconds * 1e9));
}

absl::Status CheckWhole(std::string_view flag, int64_t value, int64_t max) {
  if (value >= 1 && value <= max) return absl::OkStatus();
  return base::MakeStatus(absl::StatusCode::kInvalidArgument, "{} {} is not from 1 to {}", flag, value, max);
}

}  // namespace

absl::StatusOr<BenchPlan> MakeBenchPlan(const BenchOptions& options, uint64_t seed) {
  BenchPlan plan;
  FERRY_ASSIGN_OR_RETURN(plan.steps, ParseSteps(options));
  FERRY_ASSIGN_OR_RETURN(plan.arrivals, ParseArrivals(options.arrivals));
  if (options.rate.empty() && options.arrivals != BenchOptions().arrivals) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument, "--arrivals {} is of an open loop: give --rate too",
                            options.arrivals);
  }
  FERRY_ASSIGN_OR_RETURN(plan.duration, Seconds("--duration", options.duration_seconds, kMinSeconds));
  FERRY_ASSIGN_OR_RETURN(plan.warm_up, Seconds("--warm-up", options.warm_up_seconds, 0));
  FERRY_RETURN_IF_ERROR(CheckWhole("--max-outstanding", options.max_outstanding, kMaxConcurrency));
  FERRY_RETURN_IF_ERROR(CheckWhole("--connections", options.connections, kMaxConnections));
  if (options.threads < 1 || options.threads > options.connections) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument, "--threads {} is not from 1 to {}, the --connections",
                            options.threads, options.connections);
  }
  if (options.rows) FERRY_RETURN_IF_ERROR(CheckWhole("--rows", *options.rows, kMaxRows));
  plan.max_outstanding = options.max_outstanding;
  plan.connections = static_cast<int>(options.connections);
  plan.threads = static_cast<int>(options.threads);
  plan.seed = options.seed.value_or(seed);
  return plan;
}

}  // namespace torchferry::client
