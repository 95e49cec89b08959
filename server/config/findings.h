// The faults of a configuration file, and its parts without effect, each with its place.
#pragma once

#include <absl/status/status.h>
#include <fmt/format.h>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/config/text_positions.h"

namespace torchferry::config {

// Collects findings while a file is read. A line is "FILE:LINE:COLUMN: what". Not thread-safe.
class Findings {
 public:
  explicit Findings(std::string_view file) : file_(file) {}

  template <typename... Args>
  void Error(TextPosition at, fmt::format_string<Args...> format, Args&&... args) {
    AddError({at, fmt::format(format, std::forward<Args>(args)...)});
  }

  template <typename... Args>
  void Warn(TextPosition at, fmt::format_string<Args...> format, Args&&... args) {
    AddWarning({at, fmt::format(format, std::forward<Args>(args)...)});
  }

  // INVALID_ARGUMENT with the error that comes first in the file, or OK.
  absl::Status status() const;

  // In the file's order. Above the max it keeps the first ones that were added, and a last line has the number of the
  // others.
  std::vector<std::string> Warnings() const;

 private:
  struct Finding {
    TextPosition at;
    std::string text;
  };
  void AddError(Finding error);
  void AddWarning(Finding warning);
  std::string Line(const Finding& finding) const;

  const std::string file_;
  std::optional<Finding> error_;  // the one that comes first in the file
  std::vector<Finding> warnings_;
  size_t more_warnings_ = 0;
};

}  // namespace torchferry::config
