#include "server/base/logging.h"

#include <poll.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <cerrno>
#include <memory>
#include <mutex>
#include <utility>

#include "server/base/cut_text.h"
#include "server/base/json.h"
#include "server/base/log_output.h"
#include "server/base/log_queue.h"

namespace torchferry::base {
namespace {

// Of a message, and of each field's value: some are names that clients send.
constexpr size_t kMaxFieldBytes = size_t{16} << 10;

constexpr char kTextPattern[] = "%Y-%m-%dT%H:%M:%S.%eZ %L %v";
constexpr char kJsonPattern[] = R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v})";

std::atomic<LogFormat> g_format{LogFormat::kText};
// Null: lines are written by whoever logs. It is never destroyed: its thread may be in a write that does not end.
std::atomic<LogQueue*> g_queue{nullptr};

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
    made->set_pattern(kTextPattern, spdlog::pattern_time_type::utc);
    made->flush_on(spdlog::level::info);
    return made;
  }();
  return *logger;
}

const char* PatternOf(LogFormat format) { return format == LogFormat::kJson ? kJsonPattern : kTextPattern; }

// Puts lines into the queue.
class QueueSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit QueueSink(LogQueue& queue) : queue_(queue) {}

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    queue_.Push(std::string(line.data(), line.size()));
  }
  void flush_() override {}

 private:
  LogQueue& queue_;
};

// Blocks while the reader does not read.
bool WriteToStandardError(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EAGAIN) {  // whoever opened it made it so
      pollfd waited_for = {STDERR_FILENO, POLLOUT, 0};
      ::poll(&waited_for, 1, /*timeout=*/-1);
      continue;
    }
    if (written <= 0) return false;
    text.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

std::string DescribeDroppedLines(uint64_t count) {
  const std::vector<LogField> fields = {{"lines", count}};
  const std::string text = FormatLogLine(g_format, "log lines dropped: nobody read them", fields);
  spdlog::memory_buf_t line;
  spdlog::pattern_formatter(PatternOf(g_format), spdlog::pattern_time_type::utc)
      .format(spdlog::details::log_msg("torchferry", spdlog::level::warn, text), line);
  return {line.data(), line.size()};
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
  Logger().set_pattern(PatternOf(format), spdlog::pattern_time_type::utc);
}

void StartLogQueue() {
  struct stat info = {};
  if (g_queue != nullptr || (::fstat(STDERR_FILENO, &info) == 0 && S_ISREG(info.st_mode))) return;
  auto* queue = new LogQueue({}, &WriteToStandardError, &DescribeDroppedLines);
  auto sink = std::make_shared<QueueSink>(*queue);
  sink->set_formatter(std::make_unique<spdlog::pattern_formatter>(PatternOf(g_format), spdlog::pattern_time_type::utc));
  Logger().sinks() = {std::move(sink)};
  g_queue = queue;
}

bool FlushLog(Duration most) {
  LogQueue* queue = g_queue;
  return queue == nullptr || queue->Flush(most);
}

uint64_t DroppedLogLines() {
  const LogQueue* queue = g_queue;
  return queue == nullptr ? 0 : queue->dropped();
}

std::string FormatLogLine(LogFormat format, std::string_view message, std::span<const LogField> fields) {
  const std::string bounded = CutText(message, kMaxFieldBytes);
  if (format == LogFormat::kJson) {
    std::string line = fmt::format("\"message\":{}", JsonQuote(bounded));
    for (const LogField& field : fields) {
      line += fmt::format(",{}:{}", JsonQuote(field.key),
                          field.is_bare ? field.text : JsonQuote(CutText(field.text, kMaxFieldBytes)));
    }
    return line;
  }
  const std::string quoted = JsonQuote(bounded);
  std::string line = quoted.size() == bounded.size() + 2 ? bounded : quoted;
  for (const LogField& field : fields) {
    const std::string text = CutText(field.text, kMaxFieldBytes);
    line += fmt::format(" {}={}", field.key, IsPlain(text) ? text : JsonQuote(text));
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
