#include "server/base/logging.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <memory>

#include "server/base/json.h"

namespace torchferry::base {
namespace {

std::atomic<LogFormat> g_format{LogFormat::kText};

Mutex g_capture_mutex;
LogCapture* g_capture FERRY_GUARDED_BY(g_capture_mutex) = nullptr;

spdlog::level::level_enum ToSpdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

spdlog::logger& Logger() {
  static const std::shared_ptr<spdlog::logger> logger = [] {
    auto made = spdlog::stderr_logger_mt("torchferry");
    made->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %L %v", spdlog::pattern_time_type::utc);
    made->flush_on(spdlog::level::info);
    return made;
  }();
  return *logger;
}

bool IsPlain(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) || std::string_view("_-./:+%").find(static_cast<char>(c)) != std::string_view::npos;
  });
}

}  // namespace

void InitLogging(LogFormat format, LogLevel level) {
  g_format = format;
  Logger().set_level(ToSpdlog(level));
  Logger().set_pattern(format == LogFormat::kJson ? R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v})"
                                                  : "%Y-%m-%dT%H:%M:%S.%eZ %L %v",
                       spdlog::pattern_time_type::utc);
}

std::string FormatLogLine(LogFormat format, std::string_view message, std::span<const LogField> fields) {
  if (format == LogFormat::kJson) {
    std::string line = fmt::format("\"message\":{}", JsonQuote(message));
    for (const LogField& field : fields) {
      line += fmt::format(",{}:{}", JsonQuote(field.key), field.is_bare ? field.text : JsonQuote(field.text));
    }
    return line;
  }
  const std::string quoted = JsonQuote(message);
  std::string line = quoted.size() == message.size() + 2 ? std::string(message) : quoted;
  for (const LogField& field : fields) {
    line += fmt::format(" {}={}", field.key, IsPlain(field.text) ? field.text : JsonQuote(field.text));
  }
  return line;
}

bool IsLogged(LogLevel level) { return Logger().should_log(ToSpdlog(level)); }

void Log(LogLevel level, std::string_view message, std::span<const LogField> fields) {
  if (!IsLogged(level)) return;
  {
    MutexLock lock(g_capture_mutex);
    if (g_capture != nullptr) return g_capture->Add(level, FormatLogLine(LogFormat::kText, message, fields));
  }
  Logger().log(ToSpdlog(level), "{}", FormatLogLine(g_format, message, fields));
}

LogCapture::LogCapture(LogLevel level) : level_before_(Logger().level()) {
  MutexLock lock(g_capture_mutex);
  g_capture = this;
  Logger().set_level(ToSpdlog(level));
}

LogCapture::~LogCapture() {
  MutexLock lock(g_capture_mutex);
  g_capture = nullptr;
  Logger().set_level(static_cast<spdlog::level::level_enum>(level_before_));
}

std::vector<LogCapture::Line> LogCapture::Lines() const {
  MutexLock lock(mutex_);
  return lines_;
}

void LogCapture::Add(LogLevel level, std::string text) {
  MutexLock lock(mutex_);
  lines_.push_back({level, std::move(text)});
}

}  // namespace torchferry::base
