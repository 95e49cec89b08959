#include "server/plan/tuning_record.h"

#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "server/base/status.h"

namespace torchferry::plan {
namespace {

using Json = nlohmann::json;

constexpr size_t kMostRecords = 16;
constexpr std::streamsize kMostBytes = 1 << 20;
constexpr int64_t kMostRows = int64_t{1} << 31;
constexpr int kMostThreads = 1024;

// The file's records; none when it is not one of ours.
std::vector<Json> ReadRecords(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) return {};  // a pipe would be waited for
  std::ifstream in(path, std::ios::binary);
  std::string text(static_cast<size_t>(kMostBytes), '\0');
  in.read(text.data(), kMostBytes);
  text.resize(static_cast<size_t>(in.gcount()));
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

TuningRecord Parse(const Json& json) {
  TuningRecord record;
  record.best.variant = json.at("variant").get<std::string>();
  record.best.threads = json.at("intra_op_threads").get<int>();
  record.best.rows = json.at("batch_rows").get<int64_t>();
  record.rows_per_second = Positive(json, "rows_per_second");
  record.simplest_rows_per_second = Positive(json, "simplest_rows_per_second");
  record.budget_seconds = Positive(json, "budget_seconds");
  record.deviation = Positive(json, "deviation");
  const bool is_sound = record.best.threads >= 1 && record.best.threads <= kMostThreads && record.best.rows >= 1 &&
                        record.best.rows <= kMostRows;
  if (!is_sound) throw std::out_of_range("intra_op_threads or batch_rows");
  return record;
}

}  // namespace

std::optional<TuningRecord> ReadTuningRecord(const std::string& path, const TuningKey& key) {
  for (const Json& json : ReadRecords(path)) {
    if (!HasKey(json, key)) continue;
    try {
      return Parse(json);
    } catch (const std::exception&) {
      return std::nullopt;  // edited by hand, and wrong
    }
  }
  return std::nullopt;
}

absl::Status WriteTuningRecord(const std::string& path, const TuningKey& key, const TuningRecord& record) {
  std::vector<Json> records = ReadRecords(path);
  std::erase_if(records, [&](const Json& json) { return HasKey(json, key); });
  records.insert(records.begin(), Json{{"key", key},
                                       {"variant", record.best.variant},
                                       {"intra_op_threads", record.best.threads},
                                       {"batch_rows", record.best.rows},
                                       {"rows_per_second", record.rows_per_second},
                                       {"simplest_rows_per_second", record.simplest_rows_per_second},
                                       {"budget_seconds", record.budget_seconds},
                                       {"deviation", record.deviation}});
  if (records.size() > kMostRecords) records.resize(kMostRecords);
  // By rename, so that nobody reads half of it; the number is this process's, as several may share a store.
  const std::string partial = fmt::format("{}.{}", path, getpid());
  std::ofstream out(partial);
  out << Json{{"records", records}}.dump(1) << '\n';
  out.close();
  const char* what = "the version's folder cannot be written";
  if (out) {
    if (std::rename(partial.c_str(), path.c_str()) == 0) return absl::OkStatus();
    what = "what is there cannot be replaced";
  }
  const std::error_code why(errno, std::generic_category());
  std::remove(partial.c_str());
  return base::MakeStatus(absl::StatusCode::kUnavailable, "{}: {}", what, why.message());
}

}  // namespace torchferry::plan
