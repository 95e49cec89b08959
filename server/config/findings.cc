#include "server/config/findings.h"

#include <algorithm>

#include "server/base/status.h"

namespace torchferry::config {

absl::Status Findings::status() const {
  const auto first =
      std::min_element(errors_.begin(), errors_.end(), [](const auto& a, const auto& b) { return a.at < b.at; });
  if (first == errors_.end()) return absl::OkStatus();
  return base::MakeStatus(absl::StatusCode::kInvalidArgument, "{}", Line(*first));
}

std::vector<std::string> Findings::Warnings() const {
  std::vector<Finding> sorted = warnings_;
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.at < b.at; });
  std::vector<std::string> lines;
  for (const Finding& warning : sorted) lines.push_back(Line(warning));
  return lines;
}

std::string Findings::Line(const Finding& finding) const {
  return fmt::format("{}:{}:{}: {}", file_, finding.at.line, finding.at.column, finding.text);
}

}  // namespace torchferry::config
