// Structured logging over spdlog: a sentence and key=value fields, as text or as JSON lines on stderr.
// The data path logs at debug; state changes at info with model, version and device.
#pragma once

#include <fmt/format.h>

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "server/base/mutex.h"

namespace torchferry::base {

enum class LogFormat { kText, kJson };
enum class LogLevel { kDebug, kInfo, kWarning, kError };

// Sets up the process's log. Before that, lines are written as text at info. `level` is debug, info, warning or error.
void InitLogging(LogFormat format, LogLevel level);

// Whether a line of `level` is written: for lines whose fields are costly to make. Cheap and thread-safe.
bool IsLogged(LogLevel level);

// One field of a line. The value is formatted when the field is made.
struct LogField {
  template <typename T>
  LogField(std::string_view name, const T& value) : key(name) {
    if constexpr (std::is_convertible_v<const T&, std::string>) {
      text = value;
    } else {
      text = fmt::format("{}", value);
      is_bare = std::is_arithmetic_v<T>;
    }
  }

  std::string_view key;
  std::string text;
  bool is_bare = false;  // a number or bool: unquoted in JSON
};

// Thread-safe. Control characters in values are escaped: one call is always one line.
void Log(LogLevel level, std::string_view message, std::span<const LogField> fields);
inline void Log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields = {}) {
  Log(level, message, std::span(fields.begin(), fields.size()));
}

inline void LogDebug(std::string_view m, std::initializer_list<LogField> f = {}) { Log(LogLevel::kDebug, m, f); }
inline void LogInfo(std::string_view m, std::initializer_list<LogField> f = {}) { Log(LogLevel::kInfo, m, f); }
inline void LogWarning(std::string_view m, std::initializer_list<LogField> f = {}) { Log(LogLevel::kWarning, m, f); }
inline void LogError(std::string_view m, std::initializer_list<LogField> f = {}) { Log(LogLevel::kError, m, f); }

// The message part of a line, without time and level; for tests.
std::string FormatLogLine(LogFormat format, std::string_view message, std::span<const LogField> fields);

// For tests: while it lives, lines of `level` and above are kept here as text, and not written to stderr. Only one may
// live at a time. Thread-safe.
class LogCapture {
 public:
  struct Line {
    LogLevel level = LogLevel::kInfo;
    std::string text;  // as FormatLogLine gives it
  };

  explicit LogCapture(LogLevel level);
  ~LogCapture();
  LogCapture(const LogCapture&) = delete;
  LogCapture& operator=(const LogCapture&) = delete;

  std::vector<Line> Lines() const;

  // Log calls this for each line while the capture lives.
  void Add(LogLevel level, std::string text);

 private:
  const int level_before_;  // spdlog's
  mutable Mutex mutex_;
  std::vector<Line> lines_ FERRY_GUARDED_BY(mutex_);
};

}  // namespace torchferry::base
