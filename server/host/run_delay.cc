#include "server/host/run_delay.h"

#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

namespace torchferry::host {
namespace {

std::optional<double> ReadThread(const std::filesystem::path& thread) {
  std::ifstream file(thread / "schedstat");
  std::string line;
  if (!std::getline(file, line)) return std::nullopt;
  return ParseRunDelay(line);
}

}  // namespace

std::optional<double> ReadRunDelay(const std::string& tasks) {
  std::optional<double> seconds;
  std::error_code error;
  std::filesystem::directory_iterator thread(tasks, error);
  for (; !error && thread != std::filesystem::directory_iterator(); thread.increment(error)) {
    const std::optional<double> of_thread = ReadThread(thread->path());
    if (of_thread.has_value()) seconds = seconds.value_or(0) + *of_thread;
  }
  return seconds;
}

std::optional<double> ParseRunDelay(const std::string& schedstat) {
  std::istringstream text(schedstat);
  uint64_t ran = 0;
  uint64_t waited = 0;
  if (!(text >> ran >> waited)) return std::nullopt;
  return static_cast<double>(waited) * 1e-9;
}

}  // namespace torchferry::host
