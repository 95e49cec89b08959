#include "server/base/library_log.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cctype>
#include <chrono>
#include <iostream>
#include <optional>
#include <streambuf>
#include <string>
#include <vector>

#include "server/base/cut_text.h"
#include "server/base/log_output.h"
#include "server/base/rate_limit.h"

namespace torchferry::base {
namespace {

constexpr std::array<std::string_view, 4> kNames = {"protobuf", "grpc", "libtorch", "model"};
// For the last words of a library before it ends the process.
constexpr Duration kLastWords = std::chrono::seconds(1);

std::atomic<uint64_t> g_left_out{0};

// How many messages of `source` were left out before this one; nothing: it is left out itself.
std::optional<uint64_t> Admit(LogSource source) {
  static Mutex mutex;
  static std::array<RateLimit, kNames.size()> limits = {
      RateLimit(kLibraryBurst, kLibraryMessagesPerSecond), RateLimit(kLibraryBurst, kLibraryMessagesPerSecond),
      RateLimit(kLibraryBurst, kLibraryMessagesPerSecond), RateLimit(kLibraryBurst, kLibraryMessagesPerSecond)};
  MutexLock lock(mutex);
  const auto admitted = limits.at(static_cast<size_t>(source)).Admit(Clock::Real().Now());
  if (!admitted.has_value()) ++g_left_out;
  return admitted;
}

// Makes a line of what comes up to each line end. Several threads may write: each has a line of its own.
class CerrBuffer final : public std::streambuf {
 protected:
  std::streamsize xsputn(const char* text, std::streamsize size) override {
    Add({text, static_cast<size_t>(size)});
    return size;
  }
  int overflow(int character) override {
    if (character == traits_type::eof()) return traits_type::not_eof(character);
    const char one = traits_type::to_char_type(character);
    Add({&one, 1});
    return character;
  }

 private:
  static void Add(std::string_view text) {
    // A longer line becomes several.
    constexpr size_t kMaxLine = 2 * kMaxLibraryTextBytes;
    thread_local std::string line;
    while (!text.empty()) {
      const size_t end = std::min(text.find('\n'), text.size());
      line.append(text.substr(0, std::min(end, kMaxLine - line.size())));
      if (end == text.size() && line.size() < kMaxLine) return;
      Say(line);
      line.clear();
      text.remove_prefix(std::min(end + 1, text.size()));
    }
  }

  static void Say(std::string_view line) {
    if (line.empty()) return;
    const GlogLine parsed = ParseGlogLine(line);
    if (parsed.where.empty()) {
      LogFromLibrary(LogSource::kLibTorch, parsed.level, parsed.text);
    } else {
      LogFromLibrary(LogSource::kLibTorch, parsed.level, parsed.text, {{"where", parsed.where}});
    }
    if (parsed.is_fatal) FlushLog(kLastWords);
  }
};

}  // namespace

void LogFromLibrary(LogSource source, LogLevel level, std::string_view text, std::initializer_list<LogField> fields) {
  if (!IsLogged(level)) return;
  const std::optional<uint64_t> left_out = Admit(source);
  if (!left_out.has_value()) return;
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.remove_suffix(1);
  std::vector<LogField> all;
  if (source != LogSource::kModel) all.emplace_back("library", kNames.at(static_cast<size_t>(source)));
  all.insert(all.end(), fields.begin(), fields.end());
  all.emplace_back("text", CutText(text, kMaxLibraryTextBytes));
  if (*left_out > 0) all.emplace_back("left_out", *left_out);
  Log(level, source == LogSource::kModel ? "message of a model" : "message of a library", std::span(all));
}

uint64_t LibraryMessagesLeftOut() { return g_left_out; }

GlogLine ParseGlogLine(std::string_view line) {
  GlogLine parsed{.text = line};
  const size_t end = line.find("] ");
  const bool is_glog = line.size() > 2 && line[0] == '[' && end != std::string_view::npos &&
                       std::string_view("IWEF").find(line[1]) != std::string_view::npos &&
                       std::isdigit(static_cast<unsigned char>(line[2])) != 0;
  if (!is_glog) return parsed;
  parsed.level = line[1] == 'I' ? LogLevel::kInfo : line[1] == 'W' ? LogLevel::kWarning : LogLevel::kError;
  parsed.is_fatal = line[1] == 'F';
  const std::string_view head = line.substr(1, end - 1);
  parsed.where = head.substr(head.rfind(' ') + 1);
  parsed.text = line.substr(end + 2);
  return parsed;
}

void TakeStandardError() {
  static CerrBuffer buffer;
  std::cerr.rdbuf(&buffer);
}

}  // namespace torchferry::base
