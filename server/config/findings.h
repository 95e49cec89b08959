// What is wrong with a configuration file, and what in it has no effect, each with its place.
#pragma once

#include <absl/status/status.h>
#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/config/text_positions.h"

namespace torchferry::config {

// Collects while a file is read; every line is "FILE:LINE:COLUMN: what". Not thread-safe.
class Findings {
 public:
  explicit Findings(std::string_view file) : file_(file) {}

  template <typename... Args>
  void Error(TextPosition at, fmt::format_string<Args...> format, Args&&... args) {
    errors_.push_back({at, fmt::format(format, std::forward<Args>(args)...)});
  }

  template <typename... Args>
  void Warn(TextPosition at, fmt::format_string<Args...> format, Args&&... args) {
    warnings_.push_back({at, fmt::format(format, std::forward<Args>(args)...)});
  }

  // INVALID_ARGUMENT with the error that stands first in the file, or OK.
  absl::Status status() const;

  // In the file's order.
  std::vector<std::string> Warnings() const;

 private:
  struct Finding {
    TextPosition at;
    std::string text;
  };
  std::string Line(const Finding& finding) const;

  const std::string file_;
  std::vector<Finding> errors_;
  std::vector<Finding> warnings_;
};

}  // namespace torchferry::config
