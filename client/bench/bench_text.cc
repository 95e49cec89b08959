#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "client/bench/bench_report.h"
#include "client/bench/histogram_text.h"
#include "client/text/text.h"
#include "server/base/status.h"

namespace torchferry::client {
namespace {

std::string Ms(std::chrono::nanoseconds duration) {
  const double ms = std::chrono::duration<double, std::milli>(duration).count();
  return fmt::format("{:.{}f}", ms, ms < 10 ? 2 : ms < 100 ? 1 : 0);
}

std::string MeanText(double sum, uint64_t count) {
  return count == 0 ? "-" : fmt::format("{:.2f}", sum / static_cast<double>(count));
}

std::string RateText(double rate) { return fmt::format("{:.{}f}", rate, rate < 100 ? 1 : 0); }

std::string Plural(int64_t count, std::string_view what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

bool HasOpenSteps(const BenchReport& report) { return report.plan.is_open(); }

std::string StepText(const BenchStep& step) {
  return step.is_open() ? fmt::format("{}", step.rate) : std::to_string(step.concurrency);
}

const char* StepHeading(const BenchReport& report) { return HasOpenSteps(report) ? "RATE" : "CONCURRENCY"; }

// Numbers stand under each other.
std::string RightAligned(std::vector<std::vector<Cell>> rows, bool color) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].text.size());
  }
  Table table;
  for (auto& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) row[i].text.insert(0, widths[i] - row[i].text.size(), ' ');
    table.AddRow(std::move(row));
  }
  return table.Render(color);
}

std::vector<Cell> Headings(std::vector<std::string> texts) {
  std::vector<Cell> cells;
  for (std::string& text : texts) cells.emplace_back(std::move(text), Style::kHeading);
  return cells;
}

std::string Summary(const BenchReport& report) {
  const auto seconds = [](std::chrono::nanoseconds duration) {
    return fmt::format("{:g} s", std::chrono::duration<double>(duration).count());
  };
  std::string text =
      fmt::format("model {} · version {} · {} a request · {} a step after {} · {}", Printable(report.model_name),
                  report.model_version, Plural(report.rows, "row"), seconds(report.plan.duration),
                  seconds(report.plan.warm_up), Plural(report.plan.connections, "connection"));
  if (HasOpenSteps(report)) {
    text += report.plan.arrivals == ArrivalKind::kPoisson ? " · poisson arrivals" : " · constant arrivals";
  }
  return text + '\n';
}

std::string LatencyTable(const BenchReport& report, bool color) {
  std::vector<std::string> headings = {
      StepHeading(report), "REQUESTS/S", "ROWS/S", "MEAN ms", "P50", "P90", "P95", "P99", "P99.9", "MAX", "ERRORS"};
  if (HasOpenSteps(report)) headings.emplace_back("NOT SENT");
  std::vector<std::vector<Cell>> rows = {Headings(std::move(headings))};
  for (const BenchReport::Step& step : report.steps) {
    const BenchStats& stats = step.stats;
    const LatencyHistogram& latencies = stats.latencies();
    const double rate = stats.AnswersPerSecond();
    std::vector<Cell>& row = rows.emplace_back();
    row = {StepText(step.step), RateText(rate), RateText(rate * static_cast<double>(report.rows))};
    const bool is_empty = latencies.count() == 0;
    row.emplace_back(is_empty ? "-" : Ms(latencies.Mean()));
    for (const double percent : {50.0, 90.0, 95.0, 99.0, 99.9}) {
      row.emplace_back(is_empty ? "-" : Ms(latencies.Percentile(percent)));
    }
    row.emplace_back(is_empty ? "-" : Ms(latencies.Max()));
    row.emplace_back(std::to_string(stats.failed()), stats.failed() > 0 ? Style::kBad : Style::kPlain);
    if (!HasOpenSteps(report)) continue;
    row.emplace_back(std::to_string(stats.not_sent()), stats.not_sent() > 0 ? Style::kBad : Style::kPlain);
  }
  return RightAligned(std::move(rows), color);
}

// "cpu", or "cuda:0 (90.0 %), cpu (10.0 %)".
std::string SharesText(const TextCounts& counts, uint64_t all) {
  if (counts.counts().empty()) return "-";
  if (counts.counts().size() == 1 && counts.counts()[0].second == all) return Printable(counts.counts()[0].first);
  std::string text;
  for (const auto& [name, count] : counts.counts()) {
    text += fmt::format("{}{} ({:.1f} %)", text.empty() ? "" : ", ", Printable(name),
                        100 * static_cast<double>(count) / static_cast<double>(all));
  }
  return text;
}

std::string ServerTable(const BenchReport& report, bool color) {
  std::vector<std::vector<Cell>> rows = {
      Headings({StepHeading(report), "DEVICE", "BATCH ROWS", "QUEUE ms", "COMPUTE ms", "FALLBACKS"})};
  for (const BenchReport::Step& step : report.steps) {
    const ServerSums& server = step.stats.server();
    const uint64_t ok = step.stats.ok();
    std::string fallbacks = std::to_string(server.fallbacks);
    if (server.fallbacks > 0) fallbacks += ": " + SharesText(server.fallback_reasons, server.fallbacks);
    rows.push_back({StepText(step.step),
                    SharesText(server.devices, ok),
                    MeanText(server.batch_rows, ok),
                    MeanText(server.queue_seconds * 1e3, ok),
                    MeanText(server.compute_seconds * 1e3, ok),
                    {std::move(fallbacks), server.fallbacks > 0 ? Style::kWarning : Style::kPlain}});
  }
  return RightAligned(std::move(rows), color);
}

std::string ErrorTable(const BenchReport& report, bool color) {
  Table table({StepHeading(report), "ERROR", "COUNT", "P50 ms", "P99 ms", "THE FIRST ONE"});
  bool is_empty = true;
  for (const BenchReport::Step& step : report.steps) {
    for (const BenchError& error : step.stats.errors()) {
      is_empty = false;
      table.AddRow({StepText(step.step),
                    {base::CodeName(error.first.code()), Style::kBad},
                    std::to_string(error.count()),
                    Ms(error.latencies.Percentile(50)),
                    Ms(error.latencies.Percentile(99)),
                    Printable(base::MessageOf(error.first))});
    }
  }
  return is_empty ? "" : "\n" + table.Render(color);
}

// Where this process was late itself, its numbers are not the server's alone.
std::string DelayText(const BenchReport& report) {
  constexpr auto kMuch = std::chrono::milliseconds(1);
  std::string text;
  for (const BenchReport::Step& step : report.steps) {
    const LatencyHistogram& delays = step.stats.send_delays();
    if (delays.Mean() < kMuch) continue;
    text += fmt::format(
        "\nAt rate {} this client sent requests {} ms late on average, {} ms at most; the latencies have that in "
        "them.\n",
        StepText(step.step), Ms(delays.Mean()), Ms(delays.Max()));
  }
  return text;
}

std::string Histograms(const BenchReport& report, bool all, const Console& console) {
  std::string text;
  for (size_t i = all ? 0 : report.steps.size() - 1; i < report.steps.size(); ++i) {
    const std::string lines = HistogramText(report.steps[i].stats.latencies(), console.ascii, console.width);
    if (lines.empty()) continue;
    text += fmt::format("\nLatencies at {} {}\n{}", HasOpenSteps(report) ? "rate" : "concurrency",
                        StepText(report.steps[i].step), lines);
  }
  return text;
}

}  // namespace

std::string BenchText(const BenchReport& report, bool all_histograms, const Console& console) {
  std::string text = Summary(report);
  if (report.steps.empty()) return text;
  text += '\n' + LatencyTable(report, console.color);
  text += '\n' + ServerTable(report, console.color);
  text += ErrorTable(report, console.color);
  text += DelayText(report);
  text += Histograms(report, all_histograms, console);
  if (report.was_interrupted) text += "\nInterrupted: the last step is shorter, and others may be missing.\n";
  return text;
}

}  // namespace torchferry::client
