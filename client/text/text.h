// Text for people: tables, wrapped text, durations. Only this file deals with widths and colours.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "server/base/printable.h"

namespace torchferry::client {

enum class Style { kPlain, kGood, kWarning, kBad, kHeading };

struct Cell {
  Cell(std::string value, Style value_style = Style::kPlain)  // NOLINT: a string is a cell
      : text(std::move(value)), style(value_style) {}
  Cell(const char* value) : text(value) {}  // NOLINT

  std::string text;
  Style style = Style::kPlain;
};

// Columns are separated by two spaces and as wide as their widest cell. Nothing is cut off.
class Table {
 public:
  // Without headings it is a list of keys and values.
  explicit Table(std::vector<std::string> headings = {});

  void AddRow(std::vector<Cell> cells);
  std::string Render(bool color) const;

 private:
  std::vector<std::vector<Cell>> rows_;
};

// Lines of at most `width` columns, broken at spaces, each after `indent` spaces. A longer word stays whole. Line
// breaks in `text` are kept.
std::string Wrap(std::string_view text, size_t width, size_t indent);

using base::Printable;

std::string FormatSeconds(double seconds);  // "98 µs", "2.3 ms", "1.20 s"
std::string FormatBytes(int64_t bytes);     // "1.9 MiB (1990656 bytes)"

}  // namespace torchferry::client
