#include "server/app/text_table.h"

#include <algorithm>

#include "server/base/printable.h"
#include "server/base/utf8.h"

namespace torchferry::app {
namespace {

// In characters.
size_t WidthOf(const std::string& text) {
  size_t width = 0;
  for (size_t i = 0; i < text.size(); i += base::Utf8Length(text, i)) ++width;
  return width;
}

}  // namespace

std::string TextTable(const std::vector<std::vector<std::string>>& lines) {
  std::vector<std::vector<std::string>> cells;
  std::vector<size_t> widths;
  for (const std::vector<std::string>& line : lines) {
    std::vector<std::string>& shown = cells.emplace_back();
    widths.resize(std::max(widths.size(), line.size()));
    for (size_t i = 0; i < line.size(); ++i) {
      shown.push_back(base::Printable(line[i]));
      widths[i] = std::max(widths[i], WidthOf(shown[i]));
    }
  }
  std::string text;
  for (const std::vector<std::string>& line : cells) {
    for (size_t i = 0; i + 1 < line.size(); ++i) text += line[i] + std::string(widths[i] - WidthOf(line[i]) + 2, ' ');
    text += line.back() + "\n";
  }
  return text;
}

}  // namespace torchferry::app
