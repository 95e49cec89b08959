// Any bytes as a file of tuning records: what is read has values that the server may use.
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "server/plan/tuning_record.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto record = torchferry::plan::FindTuningRecord(text, {{"sha256", "ab"}});
  if (!record.has_value()) return 0;
  const bool is_sound = record->best.threads > 0 && record->best.rows > 0 && std::isfinite(record->rows_per_second) &&
                        std::isfinite(record->budget_seconds) && record->deviation >= 0;
  if (!is_sound) std::abort();
  if (!record->latency.has_value()) return 0;
  const bool is_latency_sound = record->latency->threads > 0 && record->latency->max_rows > 0 &&
                                std::isfinite(record->latency->seconds) && record->latency->throughput_seconds >= 0;
  if (!is_latency_sound) std::abort();
  return 0;
}
