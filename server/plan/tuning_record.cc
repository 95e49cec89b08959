#include "server/plan/tuning_record.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "server/base/json_depth.h"
#include "server/base/replace_file.h"
#include "server/base/status.h"

namespace torchferry::plan {
namespace {

using Json = nlohmann::json;

constexpr size_t kMaxRecords = 16;
constexpr size_t kMaxRecordBytes = 1 << 20;
constexpr size_t kMaxRecordDepth = 8;
constexpr int64_t kMaxRows = int64_t{1} << 31;
constexpr int kMaxThreads = 1024;
constexpr int64_t kMaxLatencyRows = 2;

// At most kMaxRecordBytes of a regular file that is no link; empty when there is none.
std::string ReadText(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);  // a pipe would be waited for
  if (file < 0) return "";
  struct stat about {};
  std::string text;
  if (fstat(file, &about) == 0 && S_ISREG(about.st_mode)) text.resize(kMaxRecordBytes);
  size_t size = 0;
  while (size < text.size()) {
    const ssize_t count = read(file, text.data() + size, text.size() - size);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    size += static_cast<size_t>(count);
  }
  (void)close(file);
  text.resize(size);
  return text;
}

// A file's records; none when it is not one of ours.
std::vector<Json> ParseRecords(std::string_view text) {
  if (!base::IsJsonWithinDepth(text, kMaxRecordDepth)) return {};
  const Json document = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!document.is_object() || !document.contains("records") || !document["records"].is_array()) return {};
  return document["records"].get<std::vector<Json>>();
}

bool HasKey(const Json& record, const TuningKey& key) {
  return record.is_object() && record.contains("key") && record["key"] == Json(key);
}

double Positive(const Json& record, const char* name) {
  const double value = record.at(name).get<double>();
  if (!(value >= 0) || std::isinf(value)) throw std::out_of_range(name);
  return value;
}

// From 1 to `most`.
template <typename Number>
Number Count(const Json& record, const char* name, Number most) {
  const auto value = record.at(name).get<int64_t>();
  if (value < 1 || value > most) throw std::out_of_range(name);
  return static_cast<Number>(value);
}

TuningLatency ParseLatency(const Json& json) {
  return {.variant = json.at("variant").get<std::string>(),
          .threads = Count(json, "intra_op_threads", kMaxThreads),
          .max_rows = Count(json, "max_rows", kMaxLatencyRows),
          .seconds = Positive(json, "seconds"),
          .throughput_seconds = Positive(json, "throughput_seconds")};
}

TuningRecord Parse(const Json& json) {
  TuningRecord record;
  record.best.variant = json.at("variant").get<std::string>();
  record.best.threads = Count(json, "intra_op_threads", kMaxThreads);
  record.best.rows = Count(json, "batch_rows", kMaxRows);
  record.rows_per_second = Positive(json, "rows_per_second");
  record.simplest_rows_per_second = Positive(json, "simplest_rows_per_second");
  record.budget_seconds = Positive(json, "budget_seconds");
  record.deviation = Positive(json, "deviation");
  record.is_final = json.value("final", false);
  if (json.contains("latency")) record.latency = ParseLatency(json["latency"]);
  return record;
}

Json ToJson(const TuningKey& key, const TuningRecord& record) {
  Json json{{"key", key},
            {"variant", record.best.variant},
            {"intra_op_threads", record.best.threads},
            {"batch_rows", record.best.rows},
            {"rows_per_second", record.rows_per_second},
            {"simplest_rows_per_second", record.simplest_rows_per_second},
            {"budget_seconds", record.budget_seconds},
            {"deviation", record.deviation},
            {"final", record.is_final}};
  if (record.latency.has_value()) {
    json["latency"] = {{"variant", record.latency->variant},
                       {"intra_op_threads", record.latency->threads},
                       {"max_rows", record.latency->max_rows},
                       {"seconds", record.latency->seconds},
                       {"throughput_seconds", record.latency->throughput_seconds}};
  }
  return json;
}

}  // namespace

std::optional<TuningRecord> FindTuningRecord(std::string_view text, const TuningKey& key) {
  for (const Json& json : ParseRecords(text)) {
    if (!HasKey(json, key)) continue;
    try {
      return Parse(json);
    } catch (const std::exception&) {
      return std::nullopt;  // edited by hand, and wrong
    }
  }
  return std::nullopt;
}

std::optional<TuningRecord> ReadTuningRecord(const std::string& path, const TuningKey& key) {
  return FindTuningRecord(ReadText(path), key);
}

absl::Status WriteTuningRecord(const std::string& path, const TuningKey& key, const TuningRecord& record) {
  std::vector<Json> records = ParseRecords(ReadText(path));
  std::erase_if(records, [&](const Json& json) { return HasKey(json, key); });
  records.insert(records.begin(), ToJson(key, record));
  if (records.size() > kMaxRecords) records.resize(kMaxRecords);
  return base::ReplaceFile(path, Json{{"records", records}}.dump(1, ' ', false, Json::error_handler_t::replace) + '\n');
}

}  // namespace torchferry::plan
