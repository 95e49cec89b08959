#include "server/config/findings.h"

#include <algorithm>
#include <utility>

#include "server/base/status.h"

namespace torchferry::config {

namespace {

// A file that has more of them is no slip of the pen.
constexpr size_t kMaxWarnings = 100;

}  // namespace

void Findings::AddError(Finding error) {
  if (!error_.has_value() || error.at < error_->at) error_ = std::move(error);
}

void Findings::AddWarning(Finding warning) {
  if (warnings_.size() == kMaxWarnings) {
    ++more_warnings_;
  } else {
    warnings_.push_back(std::move(warning));
  }
}

absl::Status Findings::status() const {
  if (!error_.has_value()) return absl::OkStatus();
  return base::MakeStatus(absl::StatusCode::kInvalidArgument, "{}", Line(*error_));
}

std::vector<std::string> Findings::Warnings() const {
  std::vector<Finding> sorted = warnings_;
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.at < b.at; });
  std::vector<std::string> lines;
  for (const Finding& warning : sorted) lines.push_back(Line(warning));
  if (more_warnings_ > 0) lines.push_back(fmt::format("{}: {} more warnings", file_, more_warnings_));
  return lines;
}

std::string Findings::Line(const Finding& finding) const {
  return fmt::format("{}:{}:{}: {}", file_, finding.at.line, finding.at.column, finding.text);
}

}  // namespace torchferry::config
