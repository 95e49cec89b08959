// Messages of libraries and models, as lines of our log. Their size and rate are bounded, as nobody knows how much they
// write.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string_view>

#include "server/base/logging.h"

namespace torchferry::base {

enum class LogSource : uint8_t { kProtobuf, kGrpc, kLibTorch, kModel };

// The max size of one message. The rest is cut off, and the line says how long it was.
inline constexpr size_t kMaxLibraryTextBytes = 2048;
// The limits of one source: kLibraryBurst messages at once, and then kLibraryMessagesPerSecond. Others are left out and
// counted.
inline constexpr double kLibraryBurst = 50;
inline constexpr double kLibraryMessagesPerSecond = 5;

// Logs a line "message of a library", or of a model, with `text` and further `fields`. The line also says how many
// messages of the same source were left out before it. Line ends at the end of `text` are dropped. Thread-safe. Never
// blocks for the log's reader (log_output.h).
void LogFromLibrary(LogSource source, LogLevel level, std::string_view text,
                    std::initializer_list<LogField> fields = {});

// The number of messages that were left out.
uint64_t LibraryMessagesLeftOut();

// A line as LibTorch writes it to std::cerr: "[W1128 14:22:52.123456 Copy.cpp:99] text". The letter gives its level,
// and the text follows the bracket. Other text is a warning as it stands. Pure.
struct GlogLine {
  LogLevel level = LogLevel::kWarning;
  bool is_fatal = false;        // the process ends after it
  std::string_view where = {};  // "Copy.cpp:99"; empty where the line has no such head
  std::string_view text = {};
};
GlogLine ParseGlogLine(std::string_view line);

// From now on each line that is written to std::cerr is a message of LibTorch, which writes there. Call it once, before
// there are other threads.
void TakeStandardError();

}  // namespace torchferry::base
