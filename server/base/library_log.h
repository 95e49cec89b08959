// What libraries and models say, as lines of our log: bounded in size and in rate, as nobody knows how much it is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string_view>

#include "server/base/logging.h"

namespace torchferry::base {

enum class LogSource : uint8_t { kProtobuf, kGrpc, kLibTorch, kModel };

// Of one message. The rest is cut off, and how much it was is said.
inline constexpr size_t kMaxLibraryTextBytes = 2048;
// Of one source: so many messages at once, and so many a second after that. Others are left out and counted.
inline constexpr double kLibraryBurst = 50;
inline constexpr double kLibraryMessagesPerSecond = 5;

// A line "message of a library", or of a model, with `text`, further `fields`, and how many messages of the same source
// were left out before it. Line ends at the end of `text` do not count. Thread-safe. Never blocks for the log's reader
// (log_output.h).
void LogFromLibrary(LogSource source, LogLevel level, std::string_view text,
                    std::initializer_list<LogField> fields = {});

// Messages that were left out.
uint64_t LibraryMessagesLeftOut();

// A line as LibTorch writes it to std::cerr, "[W1128 14:22:52.123456 Copy.cpp:99] text": its level by its letter, and
// what comes after the bracket. Other text is a warning as it stands. Pure.
struct GlogLine {
  LogLevel level = LogLevel::kWarning;
  bool is_fatal = false;        // the process ends after it
  std::string_view where = {};  // "Copy.cpp:99"; empty where it does not say
  std::string_view text = {};
};
GlogLine ParseGlogLine(std::string_view line);

// From now on what is written to std::cerr are messages of LibTorch, which writes there; a line each. Once, before
// there are other threads.
void TakeStandardError();

}  // namespace torchferry::base
