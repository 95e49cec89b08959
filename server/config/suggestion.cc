#include "server/config/suggestion.h"

#include <algorithm>
#include <cctype>
#include <numeric>
#include <vector>

namespace torchferry::config {
namespace {

// Beyond this nothing is a misspelling; the distance below is quadratic.
constexpr size_t kMaxLength = 64;

std::string Lower(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lower;
}

// Levenshtein's: insertions, deletions and substitutions from one to the other.
size_t EditDistance(std::string_view from, std::string_view to) {
  std::vector<size_t> row(to.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < from.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < to.size(); ++j) {
      const size_t substituted = diagonal + (from[i] == to[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({substituted, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::optional<std::string> NearestName(std::string_view name, std::span<const std::string> candidates) {
  if (name.empty() || name.size() > kMaxLength) return std::nullopt;
  const std::string wanted = Lower(name);
  const size_t tolerance = std::max<size_t>(1, wanted.size() / 3);
  std::optional<std::string> nearest;
  size_t least = tolerance + 1;
  for (const std::string& candidate : candidates) {
    const std::string known = Lower(candidate);
    const size_t distance = known.ends_with("_" + wanted) ? 1 : EditDistance(wanted, known);
    if (distance >= least) continue;
    least = distance;
    nearest = candidate;
  }
  return nearest;
}

}  // namespace torchferry::config
